"""What somebody has seen of the things that are told of a room, since when they are told, and images that show them

Revision ID: 0071
Revises: 0070
"""

import sqlalchemy as sa
from alembic import op

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("told_at", sa.DateTime))
    for name in ("seen", "examples"):
        op.add_column("rooms", sa.Column(name, sa.JSON, nullable=False, server_default="[]"))
