"""Rejection notes may be taken back

Revision ID: 0052
Revises: 0051
"""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rejection_notes", sa.Column("revoked_at", sa.DateTime()))


def downgrade() -> None:
    op.drop_column("rejection_notes", "revoked_at")
