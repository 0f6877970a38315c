"""Which programs may work with the schema

Revision ID: 0035
Revises: 0034
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table("compatibility", sa.Column("oldest_schema", sa.String(32), primary_key=True))
    op.bulk_insert(table, [{"oldest_schema": "0035"}])


def downgrade() -> None:
    op.drop_table("compatibility")
