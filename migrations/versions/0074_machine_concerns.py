"""What is told of machines: quality control that fails or is overdue

Revision ID: 0074
Revises: 0073
"""

import sqlalchemy as sa
from alembic import op

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "machine_concerns",
        sa.Column("source", sa.String(32), primary_key=True),
        sa.Column("subject", sa.String(128), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("text_phrase", sa.JSON),
        sa.Column("path", sa.String(128), nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
    )
