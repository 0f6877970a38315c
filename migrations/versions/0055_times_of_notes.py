"""When a rejection note was made, for revocations that arrive before their notes

Revision ID: 0055
Revises: 0054
"""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rejection_notes", sa.Column("made_at", sa.String(21)))


def downgrade() -> None:
    op.drop_column("rejection_notes", "made_at")
