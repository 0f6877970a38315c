"""An index of the unresolved studies, for lists with filters

On PostgreSQL it is built after the migration, without a lock (miqa_node/runtime/store/late_indexes.py).

Revision ID: 0047
Revises: 0046
"""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

INDEX = "ix_worklist_unresolved_study"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        columns = ["study_instance_uid", "flagged_at", "rank"]
        op.create_index(INDEX, "worklist", columns, sqlite_where=sa.text("state != 'RESOLVED'"))


def downgrade() -> None:
    op.execute(f"DROP INDEX IF EXISTS {INDEX}")
