"""The latest time that retention trusted, for it to wait after a step of the clock

Revision ID: 0053
Revises: 0052
"""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "retention_clock",
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime()),
        sa.Column("waits_since", sa.DateTime()),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_retention_clock")),
    )


def downgrade() -> None:
    op.drop_table("retention_clock")
