"""Erasures, and whether the database began with this node

Revision ID: 0067f
Revises: 0067e
"""

import sqlalchemy as sa
from alembic import op

revision = "0067f"
down_revision = "0067e"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("erasure_id", SERIAL, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("patient_sha256", sa.String(64), nullable=False),
        sa.Column("studies", sa.Integer, nullable=False),
        sa.Column("images", sa.JSON, nullable=False),
        sa.Column("results", sa.JSON, nullable=False),
        sa.Column("authority", sa.Text),
    )
    op.create_table(
        "origin",
        sa.Column("began_empty", sa.Boolean, primary_key=True),
    )
    op.execute("INSERT INTO origin (began_empty) SELECT NOT EXISTS (SELECT 1 FROM instances)")
