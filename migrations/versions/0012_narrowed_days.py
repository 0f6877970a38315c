"""The roll-up also of each room and each body part alone: it is counted anew from the exposures

Revision ID: 0012
Revises: 0011
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COUNTS = ("images", "judged", "flagged", "rejected", "repeated", "escaped", "suspected")
MEASURES = (*COUNTS, "di_count", "di_sum", "di_squares", "di_low", "di_high", "ei_count", "ei_log_sum")
SUMS = {"di_sum", "di_squares", "ei_log_sum"}
VIEW = """
    CREATE VIEW analysis_days AS
    SELECT day, modality, dimension, value, images, judged, flagged, rejected, repeated, escaped, suspected,
        di_count, di_sum, di_squares, di_low, di_high, ei_count, ei_log_sum
    FROM acquisition_days
"""


def upgrade() -> None:
    _make("within", "within_value")
    op.execute(f"{VIEW} WHERE within = ''")
    op.create_index("ix_acquisition_days_dimension", "acquisition_days", ["within", "within_value", "dimension", "day"])


def downgrade() -> None:
    _make()
    op.execute(VIEW)
    op.create_index("ix_acquisition_days_dimension", "acquisition_days", ["dimension", "day"])


def _make(*within: str) -> None:
    op.execute("DROP VIEW analysis_days")
    op.drop_table("acquisition_days")
    keys = ("day", "modality", *within, "dimension", "value")
    types: dict[str, Any] = {"day": sa.Date(), "value": sa.Text(), "within_value": sa.Text()}
    op.create_table(
        "acquisition_days",
        *(sa.Column(name, types.get(name, sa.String(length=16)), nullable=False) for name in keys),
        *(sa.Column(name, sa.Float() if name in SUMS else sa.Integer(), nullable=False) for name in MEASURES),
        sa.PrimaryKeyConstraint(*keys, name=op.f("pk_acquisition_days")),
    )
    op.execute("DELETE FROM rollup_marks WHERE name = 'days'")
