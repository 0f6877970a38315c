"""Whether a database began with this version: then retention is on unless the settings say otherwise

Revision ID: 0042
Revises: 0041
"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table("origin", sa.Column("began_empty", sa.Boolean, primary_key=True))
    any_image = sa.exists().select_from(sa.table("instances"))
    op.execute(sa.insert(table).from_select(["began_empty"], sa.select(~any_image)))


def downgrade() -> None:
    op.drop_table("origin")
