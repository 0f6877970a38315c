"""How severe the findings of a flagged study are, for lists that begin with the worst

On PostgreSQL the index is built after the migration, without a lock (miqa_node/runtime/store/late_indexes.py).

Revision ID: 0057
Revises: 0056
"""

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

INDEX = "ix_worklist_unresolved_severe"


def upgrade() -> None:
    op.add_column("worklist", sa.Column("severity", sa.Integer(), nullable=False, server_default="0"))
    if op.get_bind().dialect.name == "sqlite":
        columns = ["rank", "severity", "flagged_at", "study_instance_uid"]
        op.create_index(INDEX, "worklist", columns, sqlite_where=sa.text("state != 'RESOLVED'"))


def downgrade() -> None:
    op.execute(f"DROP INDEX IF EXISTS {INDEX}")
    op.drop_column("worklist", "severity")
