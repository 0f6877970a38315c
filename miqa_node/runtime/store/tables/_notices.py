"""Notices by e-mail that wait or were sent, and what is told of machines."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables._base import PhraseParts, RowId, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, DEVICE, STAFF, UIDS

# One row per person and subject: a shift ("2026-11-20/early") or the UID of a study; its unique key makes it one.
# No text is kept: it is written when it is sent. "state" is WAITING, SENT, VOID (nothing to say any more) or FAILED.
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("notice_id", RowId, primary_key=True),
    sa.Column("account", sa.String(64), sa.ForeignKey("users.name"), nullable=False, info=STAFF),
    sa.Column("kind", sa.String(16), nullable=False, info=CODE),
    sa.Column("subject", sa.String(128), nullable=False, info=UIDS),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, info=CODE),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", UtcDateTime, nullable=False),
    sa.Column("last_error", sa.Text, nullable=False, info=DEVICE),
    sa.Column("last_error_phrase", PhraseParts, info=DEVICE),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("sent_at", UtcDateTime),
    sa.UniqueConstraint("account", "kind", "subject"),
    sa.Index("ix_notices_state", "state", "next_attempt_at"),
)

# What is told of machines and stands now: one row per "source" (a feature) and "subject". "path" is the page about it.
machine_concerns = sa.Table(
    "machine_concerns",
    metadata,
    sa.Column("source", sa.String(32), primary_key=True, info=CODE),
    sa.Column("subject", sa.String(128), primary_key=True, info=CODE),
    sa.Column("text", sa.Text, nullable=False, info=DEVICE),
    sa.Column("text_phrase", PhraseParts, info=DEVICE),
    sa.Column("path", sa.String(128), nullable=False, info=CODE),
    sa.Column("since", UtcDateTime, nullable=False),
)
