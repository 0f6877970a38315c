"""Legal holds, disk usage, and the clock that retention trusts."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables._base import RowId, Uid, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import DEVICE, EMPTIED, STAFF, about

# Legal holds: of one study or of all images of a patient; the other is empty. Rows are only ever added and cleared.
# "authority" is that of the Patient ID; null in rows of earlier versions, which hold everybody with the ID.
legal_holds = sa.Table(
    "legal_holds",
    metadata,
    sa.Column("hold_id", RowId, primary_key=True),
    sa.Column("study_instance_uid", Uid, nullable=False, index=True),
    sa.Column("patient_id", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("reason", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("set_by", sa.Text, nullable=False, info=STAFF),
    sa.Column("set_at", UtcDateTime, nullable=False),
    sa.Column("cleared_by", sa.Text, nullable=False, info=STAFF),
    sa.Column("cleared_at", UtcDateTime),
    sa.Column("clearing_reason", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("authority", sa.Text, info=EMPTIED),
    info=about("study_instance_uid", "patient_id"),
)

# How full the disk of the objects was, by machine, every few minutes: for the forecast of when it is full.
disk_samples = sa.Table(
    "disk_samples",
    metadata,
    sa.Column("node", sa.String(64), primary_key=True, info=DEVICE),
    sa.Column("at", UtcDateTime, primary_key=True),
    sa.Column("total_bytes", sa.BigInteger, nullable=False),
    sa.Column("free_bytes", sa.BigInteger, nullable=False),
)

# One row: the latest time that retention trusted, when a person last confirmed the clock, and since when it waits for
# that.
retention_clock = sa.Table(
    "retention_clock",
    metadata,
    sa.Column("place", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("confirmed_at", UtcDateTime),
    sa.Column("waits_since", UtcDateTime),
)
