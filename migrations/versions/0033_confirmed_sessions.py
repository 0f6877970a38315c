"""Sessions that the site's provider confirms

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

COLUMNS = ("provider_sid", "sealed", "checked_at", "asked_at")


def upgrade() -> None:
    op.add_column("sessions", sa.Column("provider_sid", sa.Text(), nullable=True))
    op.add_column("sessions", sa.Column("sealed", sa.Text(), nullable=True))
    op.add_column("sessions", sa.Column("checked_at", sa.DateTime(), nullable=True))
    op.add_column("sessions", sa.Column("asked_at", sa.DateTime(), nullable=True))
    # Nobody can ask the provider about those that are open: their people sign on again.
    op.execute("DELETE FROM sessions WHERE name IN (SELECT name FROM users WHERE subject IS NOT NULL)")


def downgrade() -> None:
    for column in COLUMNS:
        op.drop_column("sessions", column)
