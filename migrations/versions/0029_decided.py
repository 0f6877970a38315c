"""How many flagged images people decided, counted by day; every day is counted anew

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("acquisition_days", sa.Column("decided", sa.Integer(), nullable=False, server_default="0"))
    op.execute("DELETE FROM rollup_marks WHERE name = 'days'")


def downgrade() -> None:
    op.drop_column("acquisition_days", "decided")
