"""Exposures have a time in UTC, and processes say which key of pseudonyms they use

Revision ID: 0048
Revises: 0047
"""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("acquisitions", sa.Column("moment", sa.DateTime()))
    op.create_table(
        "pseudonym_keys",
        sa.Column("place", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.String(16), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("pseudonym_keys")
    op.drop_column("acquisitions", "moment")
