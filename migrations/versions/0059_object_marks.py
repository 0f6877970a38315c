"""Objects that people marked on images that they were not asked to judge

Revision ID: 0059
Revises: 0058
"""

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "object_marks",
        sa.Column("mark_id", NUMBER, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_object_marks_digest_instances")),
        sa.PrimaryKeyConstraint("mark_id", name=op.f("pk_object_marks")),
    )
    op.create_index(op.f("ix_object_marks_digest"), "object_marks", ["digest"])


def downgrade() -> None:
    op.drop_table("object_marks")
