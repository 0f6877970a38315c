"""Size and digest of every stored object, when originals were last verified, and what was found damaged

Revision ID: 0049
Revises: 0048
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

COLUMNS: dict[str, tuple[sa.Column[Any], ...]] = {
    "instances": (sa.Column("file_bytes", sa.BigInteger()), sa.Column("verified_at", sa.DateTime())),
    "results": (sa.Column("size_bytes", sa.BigInteger()), sa.Column("sha256", sa.String(64))),
}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "damages",
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("found_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("object_key", name=op.f("pk_damages")),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_damages_digest_instances")),
    )


def downgrade() -> None:
    op.drop_table("damages")
    for table, columns in COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.name)
