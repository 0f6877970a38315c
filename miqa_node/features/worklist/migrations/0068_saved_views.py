"""Saved views of the worklist

Revision ID: 0068
Revises: 0067g
"""

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067g"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("is_shared", sa.Boolean, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("saved_at", sa.DateTime, nullable=False),
    )
