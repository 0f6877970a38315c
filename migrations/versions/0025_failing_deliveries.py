"""Since when a delivery has been failing

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("failing_since", sa.DateTime(), nullable=True))
    op.create_index("ix_deliveries_sent", "deliveries", ["destination", "sent_at"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_sent", table_name="deliveries")
    op.drop_column("deliveries", "failing_since")
