"""Processes of the node, and the models that are in force."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables._base import RowId, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, DEVICE, SITE, STAFF, UIDS, VERSION

# Heartbeats: a process that is silent too long has its jobs handed to others. "holder" is the process that has the
# name (runtime/work/lease.py), null if it gave it back.
executors = sa.Table(
    "executors",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True, info=DEVICE),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("heartbeat_at", UtcDateTime, nullable=False),
    sa.Column("holder", sa.Text, info=DEVICE),
)

# One row: programs made for a schema before this one cannot work with the database (docs/how-to/upgrade.md).
compatibility = sa.Table(
    "compatibility", metadata, sa.Column("oldest_schema", sa.String(32), primary_key=True, info=VERSION)
)

# Decisions about which model package is active or runs as a shadow; rows are only ever added, the newest counts.
activations = sa.Table(
    "activations",
    metadata,
    sa.Column("activation_id", RowId, primary_key=True),
    sa.Column("slot", sa.String(16), nullable=False, info=CODE),
    sa.Column("package", sa.Text, nullable=False, info=VERSION),
    sa.Column("action", sa.String(16), nullable=False, info=CODE),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("comment", sa.Text, nullable=False, info=SITE),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index("ix_activations_slot", "slot", "activation_id"),
)

# Since when the node has judged images of a body part, as their headers name it; empty: of none that it knows. The
# silent first days of a part begin then; "ended_at": a person ended them before their time.
body_parts = sa.Table(
    "body_parts",
    metadata,
    sa.Column("body_part", sa.Text, primary_key=True, info=CODE),
    sa.Column("began_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("comment", sa.Text, nullable=False, info=SITE),
)

# Usual ranges of a machine that may flag, since a person confirmed the first one; "history" is the short name of
# machine, software, protocol and body part (core/domain/scanner_protocol.py), "ranges" is as newest made.
confirmed_ranges = sa.Table(
    "confirmed_ranges",
    metadata,
    sa.Column("history", sa.String(16), primary_key=True, info=CODE),
    sa.Column("station", sa.Text, nullable=False, index=True, info=DEVICE),
    sa.Column("ranges", sa.JSON, nullable=False, info=CODE),
    sa.Column("confirmed_at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
)

# Limits of soft findings by room and view: what was proposed, and since when it is in force ("confirmed_at").
# A row without a document is a withdrawal. "in_force_at": the node put it in force by itself, provisionally. The newest
# row that is confirmed or in force counts.
site_limits = sa.Table(
    "site_limits",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("proposed_at", UtcDateTime, nullable=False),
    sa.Column("document", sa.JSON(none_as_null=True), info=SITE),
    sa.Column("confirmed_at", UtcDateTime),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("comment", sa.Text, nullable=False, info=SITE),
    sa.Column("in_force_at", UtcDateTime),
)

# How far the look of each room is known (core/domain/room.py). A row that names no place says that this node's rooms do
# not learn: an earlier version judged images here. "began_at" is when it began to learn; images since "taught_since"
# teach, null for all. "images" taught the limits that are in force, "so_far" those that shall follow. "learned_from"
# has the packages, software versions and place of the images that taught, "waiting_set" is the set that has to be
# confirmed first. "told" is what most images show, something new of it since "told_at", "seen" what of it somebody has
# seen, and "examples" are digests of images that show it. "looked_at" is for versions before 0077.
rooms = sa.Table(
    "rooms",
    metadata,
    sa.Column("package", sa.Text, primary_key=True, info=VERSION),
    *(sa.Column(name, sa.Text, primary_key=True, info=DEVICE) for name in ("body_part", "room", "view", "detector")),
    sa.Column("state", sa.String(16), nullable=False, info=CODE),
    sa.Column("began_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("taught_since", UtcDateTime),
    sa.Column("images", sa.Integer, nullable=False),
    sa.Column("so_far", sa.Integer, nullable=False),
    sa.Column("found", sa.Float),
    sa.Column("told", sa.JSON, nullable=False, info=CODE),
    sa.Column("learned_from", sa.JSON, nullable=False, info=DEVICE),
    sa.Column("waiting_set", sa.Integer),
    sa.Column("looked_at", UtcDateTime),
    sa.Column("told_at", UtcDateTime),
    sa.Column("seen", sa.JSON, nullable=False, server_default="[]", info=CODE),
    sa.Column("examples", sa.JSON, nullable=False, server_default="[]", info=UIDS),
)
