"""Labels are counted by day, as exposures are

Revision ID: 0046
Revises: 0045
"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "label_days",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("dimension", sa.String(16), primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("labels", sa.Integer, nullable=False),
        sa.Column("bad", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("label_days")
    op.execute("DELETE FROM rollup_marks WHERE name = 'label days'")
