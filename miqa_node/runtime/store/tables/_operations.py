"""The node's surroundings: destinations as seen by each process, and calling peers."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables._base import PhraseParts, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, DEVICE, SITE, STAFF

# One row per destination and process that sends there. "since": the time since which it has answered, or not.
destination_checks = sa.Table(
    "destination_checks",
    metadata,
    sa.Column("destination", sa.String(64), primary_key=True, info=DEVICE),
    sa.Column("node", sa.String(64), primary_key=True, info=DEVICE),
    sa.Column("kind", sa.Text, nullable=False, info=CODE),
    sa.Column("address", sa.Text, nullable=False, info=DEVICE),
    sa.Column("by_option", sa.Boolean, nullable=False),
    sa.Column("answers", sa.Boolean, nullable=False),
    sa.Column("detail", sa.Text, nullable=False, info=DEVICE),
    sa.Column("detail_phrase", PhraseParts, info=DEVICE),
    sa.Column("breaker_open", sa.Boolean, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("checked_at", UtcDateTime, nullable=False),
)

# Destinations to which nothing is sent until a person releases them.
destination_holds = sa.Table(
    "destination_holds",
    metadata,
    sa.Column("destination", sa.String(64), primary_key=True, info=DEVICE),
    sa.Column("held_at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("comment", sa.Text, nullable=False, info=SITE),
)

# Peers by AE title and address. The title is empty if the connection was refused before one was given.
senders = sa.Table(
    "senders",
    metadata,
    sa.Column("calling_ae_title", sa.String(16), primary_key=True, info=DEVICE),
    sa.Column("peer_address", sa.String(64), primary_key=True, info=DEVICE),
    sa.Column("seen_at", UtcDateTime, nullable=False, index=True),
    sa.Column("admitted_at", UtcDateTime),
    sa.Column("refused_at", UtcDateTime),
    sa.Column("refusals", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, info=CODE),
    sa.Column("hint", sa.Text, nullable=False, info=DEVICE),
    sa.Column("hint_phrase", PhraseParts, info=DEVICE),
)
