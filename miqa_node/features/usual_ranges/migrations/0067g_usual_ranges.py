"""Usual ranges

Revision ID: 0067g
Revises: 0067f
"""

import sqlalchemy as sa
from alembic import op

revision = "0067g"
down_revision = "0067f"
branch_labels = None
depends_on = None

INDEXES = [
    ("ix_usual_series_baseline", "usual_series", ["baseline", "at"], ""),
    ("ix_usual_series_unusual", "usual_series", ["baseline", "at"], "is_unusual"),
]


def upgrade() -> None:
    op.create_table(
        "usual_baselines",
        sa.Column("baseline", sa.String(16), primary_key=True),
        sa.Column("modality", sa.String(16), nullable=False),
        sa.Column("station", sa.Text, nullable=False, index=True),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("serial_number", sa.Text, nullable=False),
        sa.Column("software", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("kernel", sa.Text, nullable=False),
        sa.Column("body_part", sa.Text, nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("first_at", sa.DateTime, nullable=False),
        sa.Column("last_at", sa.DateTime, nullable=False),
        sa.Column("series", sa.Integer, nullable=False),
        sa.Column("ranged_series", sa.Integer, nullable=False),
        sa.Column("ranges", sa.JSON, nullable=False),
        sa.Column("authority", sa.Text, nullable=False, server_default=""),
    )
    op.create_table(
        "usual_series",
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), nullable=False, index=True),
        sa.Column("baseline", sa.String(16), sa.ForeignKey("usual_baselines.baseline"), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("assessed_at", sa.DateTime, nullable=False),
        sa.Column("numbers", sa.JSON, nullable=False),
        sa.Column("unusual", sa.JSON, nullable=False),
        sa.Column("is_unusual", sa.Boolean, nullable=False),
    )
    for name, table, columns, where in INDEXES:
        condition = sa.text(where) if where else None
        op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
