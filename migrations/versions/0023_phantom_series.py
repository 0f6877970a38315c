"""Series of phantoms, recognised by the node or named by people

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "phantom_series",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_phantom", sa.Boolean(), nullable=False),
        sa.Column("recognised_at", sa.DateTime(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_phantom_series_digest_instances")),
        sa.PrimaryKeyConstraint("series_instance_uid", name=op.f("pk_phantom_series")),
    )
    with op.batch_alter_table("phantom_series", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_phantom_series_recognised_at"), ["recognised_at"], unique=False)


def downgrade() -> None:
    op.drop_table("phantom_series")
