"""Usual ranges that a person confirmed, and judging again by those of now

Revision ID: 0068
Revises: 0067
"""

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "confirmed_ranges",
        sa.Column("history", sa.String(length=16), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("ranges", sa.JSON(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("history", name=op.f("pk_confirmed_ranges")),
    )
    op.create_index(op.f("ix_confirmed_ranges_station"), "confirmed_ranges", ["station"])
    op.add_column("reassessments", sa.Column("usual_now", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("reassessments", "usual_now")
    op.drop_table("confirmed_ranges")
