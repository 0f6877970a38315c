"""Images can be judged again

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reassessments",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("earlier", sa.JSON(), nullable=True),
        sa.Column("concluded_at", sa.DateTime(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_reassessments_digest_instances")),
        sa.PrimaryKeyConstraint("digest", "generation", name=op.f("pk_reassessments")),
    )
    op.create_index(op.f("ix_reassessments_concluded_at"), "reassessments", ["concluded_at"])
    op.add_column("instances", sa.Column("generation", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("results", sa.Column("generation", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("results", "generation")
    op.drop_column("instances", "generation")
    op.drop_table("reassessments")
