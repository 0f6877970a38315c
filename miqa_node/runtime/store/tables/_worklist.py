"""Flagged studies and their handling by readers."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables._base import PhraseParts, RowId, Uid, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, EMPTIED, STAFF, SUMMED, UIDS, about

UNRESOLVED = sa.text("state != 'RESOLVED'")

# One row per flagged study, past or present, with its current state.
# "rank" orders verdicts, the worst highest, and "severity" the studies of one verdict: ten times what the worst image
# lacks of a score of 100. "decision_id" is the decision in force, "retaken_at" when the new exposure
# came that it requested.
worklist = sa.Table(
    "worklist",
    metadata,
    sa.Column("study_instance_uid", Uid, sa.ForeignKey("studies.study_instance_uid"), primary_key=True),
    sa.Column("verdict", sa.String(16), nullable=False, info=CODE),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, info=CODE),
    sa.Column("flagged_at", UtcDateTime, nullable=False),
    sa.Column("claimed_by", sa.Text, nullable=False, info=STAFF),
    sa.Column("resolution", sa.String(16), info=CODE),
    sa.Column("resolved_by", sa.Text, nullable=False, info=STAFF),
    sa.Column("resolved_at", UtcDateTime),
    sa.Column("comment", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("decision_id", sa.BigInteger),
    sa.Column("retaken_at", UtcDateTime),
    sa.Column("severity", sa.Integer, nullable=False, server_default="0"),
    sa.Index("ix_worklist_state", "state", "flagged_at"),
    sa.Index("ix_worklist_newest", "flagged_at", "rank", "study_instance_uid"),
    sa.Index(
        "ix_worklist_unresolved_newest",
        "flagged_at",
        "rank",
        "study_instance_uid",
        sqlite_where=UNRESOLVED,
        postgresql_where=UNRESOLVED,
    ),
    sa.Index(
        "ix_worklist_unresolved_worst",
        "rank",
        "flagged_at",
        "study_instance_uid",
        sqlite_where=UNRESOLVED,
        postgresql_where=UNRESOLVED,
    ),
    sa.Index(
        "ix_worklist_unresolved_severe",
        "rank",
        "severity",
        "flagged_at",
        "study_instance_uid",
        sqlite_where=UNRESOLVED,
        postgresql_where=UNRESOLVED,
    ),
    # Filters begin with the studies of a label: which of them are unresolved, and where they stand in the list.
    sa.Index(
        "ix_worklist_unresolved_study",
        "study_instance_uid",
        "flagged_at",
        "rank",
        sqlite_where=UNRESOLVED,
        postgresql_where=UNRESOLVED,
    ),
    sa.Index("ix_worklist_claimed_by", "claimed_by", "flagged_at"),
    info=about("study_instance_uid"),
)

# What a flagged study can be found by: one row for each modality, body part, view, station and reason of its flagged
# images, as "station:ROOM 1". One column, so that the database knows how common each is.
worklist_facets = sa.Table(
    "worklist_facets",
    metadata,
    sa.Column("study_instance_uid", Uid, sa.ForeignKey("worklist.study_instance_uid"), primary_key=True),
    sa.Column("label", sa.Text, primary_key=True, info=SUMMED),
    sa.Index("ix_worklist_facets_label", "label", "study_instance_uid"),
)

# Events of a worklist item, by whom and when; rows are only added.
worklist_events = sa.Table(
    "worklist_events",
    metadata,
    sa.Column("event_id", RowId, primary_key=True),
    sa.Column("study_instance_uid", Uid, nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("action", sa.String(16), nullable=False, info=CODE),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("comment", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("comment_phrase", PhraseParts, info=EMPTIED),
    info=about("study_instance_uid"),
)

# Decisions of people about flagged studies; rows are only ever added. "images" are the digests that one is about,
# "reason" is a code value of CID 7011. A row without "resolution" takes back the decision that it names in "withdraws".
# "reported_at" is when the objects for archives were made that state it.
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("decision_id", RowId, primary_key=True),
    sa.Column("study_instance_uid", Uid, nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False, info=STAFF),
    sa.Column("resolution", sa.String(16), info=CODE),
    sa.Column("reason", sa.String(16), nullable=False, info=CODE),
    sa.Column("comment", sa.Text, nullable=False, info=EMPTIED),
    sa.Column("images", sa.JSON, nullable=False, info=UIDS),
    sa.Column("withdraws", sa.BigInteger, index=True),
    sa.Column("reported_at", UtcDateTime),
    sa.Index(
        "ix_decisions_unreported",
        "decision_id",
        sqlite_where=sa.text("reported_at IS NULL"),
        postgresql_where=sa.text("reported_at IS NULL"),
    ),
    info=about("study_instance_uid"),
)
