"""Which decisions archives were told

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("reported_at", sa.DateTime(), nullable=True))
    op.execute("UPDATE decisions SET reported_at = at")  # what was decided before stays as archives have it
    where = sa.text("reported_at IS NULL")
    op.create_index("ix_decisions_unreported", "decisions", ["decision_id"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_index("ix_decisions_unreported", "decisions")
    op.drop_column("decisions", "reported_at")
