"""Measurements by week, labels by day, monthly reports, and what enhancement does to images."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables import Digest, RowId, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, DEVICE, monthly, objects_in

# How often a measurement fell into a bin, by ISO week (its Monday) and station ("" for all stations together);
# libraries/plain_statistics/bins.py defines the bins.
measurement_weeks = sa.Table(
    "measurement_weeks",
    metadata,
    sa.Column("week", sa.Date, primary_key=True),
    sa.Column("station", sa.Text, primary_key=True, info=DEVICE),
    sa.Column("measurement", sa.String(64), primary_key=True, info=CODE),
    sa.Column("bin", sa.Integer, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
)

# How the patient of an exposure was positioned (coaching.py): which usual it has, and sizes without a sign.
positionings = sa.Table(
    "positionings",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False, info=CODE),
    *(sa.Column(name, sa.Float) for name in ("rotation", "tilt", "breath", "field", "cut")),
)

# Monthly reports in the object store, by month ("2026-10").
analysis_reports = sa.Table(
    "analysis_reports",
    metadata,
    sa.Column("month", sa.String(7), primary_key=True, info=CODE),
    sa.Column("made_at", UtcDateTime, nullable=False),
    info=objects_in("reports") | monthly("month"),
)

# What an enhancement does to the images that people drew on in the days from "since" to "until", each time that it was
# measured; rows are only ever added, the newest of a method counts.
enhancement_figures = sa.Table(
    "enhancement_figures",
    metadata,
    sa.Column("figures_id", RowId, primary_key=True),
    sa.Column("method", sa.String(64), nullable=False, info=CODE),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("since", sa.Date, nullable=False),
    sa.Column("until", sa.Date, nullable=False),
    sa.Column("images", sa.Integer, nullable=False),
    *(sa.Column(name, sa.Float, nullable=False) for name in ("psnr_db", "ssim", "psnr_marked_db", "ssim_marked")),
)

# The roll-up: labels in force by day and by value of a dimension (origin, actor, finding).
label_days = sa.Table(
    "label_days",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("dimension", sa.String(16), primary_key=True, info=CODE),
    sa.Column("value", sa.Text, primary_key=True, info=CODE),
    sa.Column("labels", sa.Integer, nullable=False),
    sa.Column("bad", sa.Integer, nullable=False),
)
