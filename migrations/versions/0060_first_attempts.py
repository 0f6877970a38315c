"""When the first attempt to judge an image began: the time of its assessment, whichever attempt finishes it

Revision ID: 0060
Revises: 0059
"""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None

TABLES = ("attempts", "reassessments")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("began_at", sa.DateTime()))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "began_at")
