"""What was measured of phantoms, and what people said, signed and set: the log of quality control."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables import Digest, LargeJson, RowId, Uid, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, DEVICE, EMPTIED, JUDGED, SITE, STAFF, about

# One row per stack of slices of a phantom series: scans may share the UID of a series. "machine" and "history" are
# made of the texts after them (features/phantoms/origin.py). "acquired_at" is the time of the scanner's clock.
# "withdrawn_at": since then the series counts as a patient's; its values stay.
phantom_scans = sa.Table(
    "phantom_scans",
    metadata,
    sa.Column("study_instance_uid", Uid, primary_key=True),
    sa.Column("series_instance_uid", Uid, primary_key=True),
    sa.Column("stack", sa.Integer, primary_key=True),
    sa.Column("stacks", sa.Integer, nullable=False),
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), nullable=False, index=True),
    sa.Column("kind", sa.String(32), nullable=False, info=CODE),
    sa.Column("machine", sa.String(16), nullable=False, info=CODE),
    sa.Column("history", sa.String(16), nullable=False, info=CODE),
    *(
        sa.Column(name, sa.Text, nullable=False, info=DEVICE)
        for name in ("modality", "station", "manufacturer", "model", "serial_number")
    ),
    sa.Column("protocol", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("description", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("software", sa.Text, nullable=False, info=DEVICE),
    *(sa.Column(name, sa.Text, nullable=False, info=EMPTIED) for name in ("coil", "tube")),
    sa.Column("acquired_at", sa.DateTime, nullable=False),
    sa.Column("measured_at", UtcDateTime, nullable=False),
    sa.Column("withdrawn_at", UtcDateTime),
    sa.Index("ix_phantom_scans_history", "history", "acquired_at"),
    info=about("study_instance_uid"),
)

# The values of a scan in their order; "value" is null where it could not be measured. "reading" says what the value is,
# where it was read, or why it could not be.
phantom_values = sa.Table(
    "phantom_values",
    metadata,
    sa.Column("study_instance_uid", Uid, primary_key=True),
    sa.Column("series_instance_uid", Uid, primary_key=True),
    sa.Column("stack", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(128), primary_key=True, info=CODE),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("value", sa.Float),
    sa.Column("unit", sa.String(32), nullable=False, info=CODE),
    sa.Column("reading", LargeJson, nullable=False, info=JUDGED),
    info=about("study_instance_uid"),
)

# The kind of phantom that a person named, where the node did not tell it.
phantom_kinds = sa.Table(
    "phantom_kinds",
    metadata,
    sa.Column("study_instance_uid", Uid, primary_key=True),
    sa.Column("series_instance_uid", Uid, primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False, info=CODE),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("at", UtcDateTime, nullable=False),
    info=about("study_instance_uid"),
)

# Who looked at the values of a scan, as they were measured then; rows are only ever added.
phantom_signatures = sa.Table(
    "phantom_signatures",
    metadata,
    sa.Column("signature_id", RowId, primary_key=True),
    sa.Column("study_instance_uid", Uid, nullable=False, index=True),
    sa.Column("series_instance_uid", Uid, nullable=False),
    sa.Column("stack", sa.Integer, nullable=False),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("measured_at", UtcDateTime, nullable=False),
    sa.Column("comment", sa.Text, nullable=False, info=EMPTIED),
    info=about("study_instance_uid"),
)

# The site's limits for a value of a kind of phantom; with "history" of one machine and protocol only. "low" and "high"
# are limits of the value itself, the others how far it may be from its baseline.
phantom_limits = sa.Table(
    "phantom_limits",
    metadata,
    sa.Column("kind", sa.String(32), primary_key=True, info=CODE),
    sa.Column("history", sa.String(16), primary_key=True, info=CODE),
    sa.Column("name", sa.String(128), primary_key=True, info=CODE),
    *(sa.Column(name, sa.Float) for name in ("low", "high", "warn_reach", "fail_reach")),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("at", UtcDateTime, nullable=False),
)

# What was changed at a machine and no header tells, such as a new tube or another phantom: baselines begin anew.
phantom_changes = sa.Table(
    "phantom_changes",
    metadata,
    sa.Column("change_id", RowId, primary_key=True),
    sa.Column("machine", sa.String(16), nullable=False, index=True, info=CODE),
    sa.Column("on_day", sa.Date, nullable=False),
    sa.Column("what", sa.Text, nullable=False, info=SITE),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("at", UtcDateTime, nullable=False),
)
