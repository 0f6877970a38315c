"""Notices about machines

Revision ID: 0075
Revises: 0074
"""

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notice_preferences", sa.Column("machines", sa.Boolean, nullable=False, server_default=sa.false()))
