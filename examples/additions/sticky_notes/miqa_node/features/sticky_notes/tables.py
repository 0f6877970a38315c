"""The notes."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables import Uid, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import DELETED, about

sticky_notes = sa.Table(
    "sticky_notes",
    metadata,
    sa.Column("note_id", sa.Integer, primary_key=True),
    sa.Column("study_instance_uid", Uid, nullable=False, index=True),
    sa.Column("actor", sa.String(64), nullable=False, info=DELETED),
    sa.Column("text", sa.Text, nullable=False, info=DELETED),
    sa.Column("at", UtcDateTime, nullable=False),
    info=about("study_instance_uid"),
)
