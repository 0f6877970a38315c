"""When archives were last asked for an original, and the copies that they gave back

Revision ID: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

PROMISED = sa.text("promised_at IS NOT NULL AND archived_at IS NULL AND removed_at IS NULL")


def upgrade() -> None:
    op.add_column("instances", sa.Column("archive_asked_at", sa.DateTime(), nullable=True))
    op.add_column("instances", sa.Column("copy_digest", sa.String(64), nullable=True))
    op.create_index(
        "ix_instances_promised", "instances", ["archive_asked_at"], sqlite_where=PROMISED, postgresql_where=PROMISED
    )


def downgrade() -> None:
    op.drop_index("ix_instances_promised", "instances")
    op.drop_column("instances", "copy_digest")
    op.drop_column("instances", "archive_asked_at")
