"""Indexes that keep the pages of the analysis quick with a million images

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ESCAPED = sa.text("judged_bad AND archived AND NOT rejected")


def upgrade() -> None:
    op.create_index("ix_acquisitions_escaped", "acquisitions", ["day"], sqlite_where=ESCAPED, postgresql_where=ESCAPED)
    op.create_index("ix_shadow_assessments_assessed_at", "shadow_assessments", ["assessed_at"])


def downgrade() -> None:
    op.drop_index("ix_shadow_assessments_assessed_at", "shadow_assessments")
    op.drop_index("ix_acquisitions_escaped", "acquisitions")
