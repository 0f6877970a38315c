"""Narrow rows and sums for counting, and imported reject logs."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables._base import Digest, FindingText, RowId, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import (
    CODE,
    DEVICE,
    HEADER_WORD,
    RANDOM,
    SECRET,
    SITE,
    STAFF,
    SUMMED,
    VERSION,
    about,
    kept,
)

# One row per decided exposure, narrow, for counting: kind, place, time and outcome.
# "day" and "acquired_at" are the hospital's local time; "moment" is the same in UTC, null in rows of earlier versions.
# "changed_at" is what the roll-up looks at; "binned" says that its measurements are in measurement_weeks.
acquisitions = sa.Table(
    "acquisitions",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("acquired_at", sa.DateTime, nullable=False),
    sa.Column("patient_key", sa.String(20), nullable=False, info=RANDOM),
    sa.Column("modality", sa.String(16), nullable=False, info=HEADER_WORD),
    sa.Column("room", sa.Text, nullable=False, info=HEADER_WORD),
    sa.Column("station", sa.Text, nullable=False, info=DEVICE),
    sa.Column("detector", sa.Text, nullable=False, info=DEVICE),
    sa.Column("operator", sa.Text, nullable=False, info=HEADER_WORD),
    sa.Column("body_part", sa.Text, nullable=False, info=HEADER_WORD),
    sa.Column("view", sa.Text, nullable=False, info=HEADER_WORD),
    sa.Column("laterality", sa.String(16), nullable=False, info=HEADER_WORD),
    sa.Column("shift", sa.Text, nullable=False, info=CODE),
    sa.Column("exposure_index", sa.Float),
    sa.Column("target_exposure_index", sa.Float),
    sa.Column("deviation_index", sa.Float),
    sa.Column("verdict", sa.String(16), nullable=False, info=CODE),
    sa.Column("model", sa.Text, nullable=False, info=VERSION),
    sa.Column("archived", sa.Boolean, nullable=False),
    sa.Column("repeated", sa.Boolean, nullable=False),
    sa.Column("rejected", sa.Boolean, nullable=False),
    sa.Column("reject_reason", sa.String(16), nullable=False, info=CODE),
    sa.Column("judged_bad", sa.Boolean),
    sa.Column("binned", sa.Boolean, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False, index=True),
    sa.Column("moment", UtcDateTime),
    sa.Index("ix_acquisitions_day", "day"),
    sa.Index("ix_acquisitions_room", "room", "day"),
    sa.Index("ix_acquisitions_patient", "patient_key", "acquired_at"),
    sa.Index(
        "ix_acquisitions_escaped",
        "day",
        sqlite_where=sa.text("judged_bad AND archived AND NOT rejected"),
        postgresql_where=sa.text("judged_bad AND archived AND NOT rejected"),
    ),
    sa.Index(
        "ix_acquisitions_unbinned",
        "digest",
        sqlite_where=sa.text("NOT binned"),
        postgresql_where=sa.text("NOT binned"),
    ),
    info=about("digest"),
)

# The roll-up: counts of one day, one modality and one value of a dimension ("room", "shift" …; "all" has one value);
# the same again of the images of each room and of each body part alone ("within" and what of it, else empty).
# Sums of deviation index and of the logarithm of exposure index give means and spreads of any period.
acquisition_days = sa.Table(
    "acquisition_days",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("modality", sa.String(16), primary_key=True, info=CODE),
    sa.Column("within", sa.String(16), primary_key=True, info=CODE),
    sa.Column("within_value", sa.Text, primary_key=True, info=SUMMED),
    sa.Column("dimension", sa.String(16), primary_key=True, info=CODE),
    sa.Column("value", sa.Text, primary_key=True, info=SUMMED),
    *(
        sa.Column(name, sa.Integer, nullable=False)
        for name in ("images", "judged", "flagged", "rejected", "repeated", "escaped", "suspected")
    ),
    sa.Column("decided", sa.Integer, nullable=False, server_default="0"),
    sa.Column("di_count", sa.Integer, nullable=False),
    sa.Column("di_sum", sa.Float, nullable=False),
    sa.Column("di_squares", sa.Float, nullable=False),
    sa.Column("di_low", sa.Integer, nullable=False),
    sa.Column("di_high", sa.Integer, nullable=False),
    sa.Column("ei_count", sa.Integer, nullable=False),
    sa.Column("ei_log_sum", sa.Float, nullable=False),
    sa.Index("ix_acquisition_days_dimension", "within", "within_value", "dimension", "day"),
)

# The time up to which changes of acquisitions are in the roll-up.
rollup_marks = sa.Table(
    "rollup_marks",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True, info=CODE),
    sa.Column("until", UtcDateTime, nullable=False),
)

# One row per finding that is present in an exposure, with the place of its peak as fractions of width and height.
acquisition_findings = sa.Table(
    "acquisition_findings",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("finding", FindingText, primary_key=True, info=CODE),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("detector", sa.Text, nullable=False, info=DEVICE),
    sa.Column("patient_key", sa.String(20), nullable=False, info=RANDOM),
    sa.Column("x", sa.Float),
    sa.Column("y", sa.Float),
    sa.Index("ix_acquisition_findings_finding", "finding", "day"),
    info=about("digest"),
)

# The key of pseudonyms that each process uses, by its data folder ("place"): what identifies it, but does not tell it.
pseudonym_keys = sa.Table(
    "pseudonym_keys",
    metadata,
    sa.Column("place", sa.Text, primary_key=True, info=DEVICE),
    sa.Column("fingerprint", sa.String(16), nullable=False, info=SECRET),
    sa.Column("used_at", UtcDateTime, nullable=False),
)

# Imported reject logs of modalities: each import, and its rows. Nothing in them names a patient. "day" and "at" are the
# hospital's local time; an image of the same room from "match_from" to "match_until" may be the same exposure.
reject_logs = sa.Table(
    "reject_logs",
    metadata,
    sa.Column("log_id", RowId, primary_key=True),
    sa.Column("mapping", sa.Text, nullable=False, info=SITE),
    sa.Column("imported_at", UtcDateTime, nullable=False),
    sa.Column("imported_by", sa.Text, nullable=False, info=STAFF),
    sa.Column("known", sa.Integer, nullable=False),
)

logged_rejects = sa.Table(
    "logged_rejects",
    metadata,
    sa.Column("key", Digest, primary_key=True),
    sa.Column("log_id", sa.ForeignKey("reject_logs.log_id"), nullable=False, index=True),
    sa.Column("day", sa.Date, nullable=False),
    *(sa.Column(name, sa.DateTime, nullable=False) for name in ("at", "match_from", "match_until")),
    sa.Column("modality", sa.String(16), nullable=False, info=CODE),
    *(
        sa.Column(name, sa.Text, nullable=False, info=kept("from a log without patients"))
        for name in ("room", "unit", "operator", "body_part", "view", "shift", "reason")
    ),
    sa.Column("code", sa.String(16), nullable=False, info=CODE),
    sa.Column("finding", FindingText, nullable=False, info=CODE),
    *(
        sa.Column(name, sa.Float)
        for name in ("exposure_index", "target_exposure_index", "deviation_index", "kvp", "mas")
    ),
    sa.Index("ix_logged_rejects_day", "day", "room"),
)
