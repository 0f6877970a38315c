"""Which process has a node's name

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("executors", sa.Column("holder", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("executors", "holder")
