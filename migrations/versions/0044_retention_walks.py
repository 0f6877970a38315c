"""Retention walks through images from the oldest on: indexes in that order

On PostgreSQL they are built after the migration, without a lock (miqa_node/runtime/store/late_indexes.py).

Revision ID: 0044
Revises: 0043
"""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

INDEXES: dict[str, tuple[str | sa.TextClause, str]] = {
    "ix_instances_kept_since": (sa.text("coalesce(restored_at, received_at)"), "removed_at IS NULL"),
    "ix_instances_bare_since": ("received_at", "removed_at IS NOT NULL AND artifacts_removed_at IS NULL"),
}


SEARCHED = ("patient_name", "patient_id", "accession_number")


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for name, (age, where) in INDEXES.items():
        op.create_index(name, "instances", [age, "digest"], sqlite_where=sa.text(where))


def downgrade() -> None:
    for name in (*INDEXES, "ix_labels_drawn", *(f"ix_studies_{column}_begins" for column in SEARCHED)):
        op.execute(f"DROP INDEX IF EXISTS {name}")
