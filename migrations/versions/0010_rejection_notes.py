"""Notes of other systems that took images out of use

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rejection_notes",
        sa.Column("note_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.DateTime(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("note_uid", "sop_instance_uid", name=op.f("pk_rejection_notes")),
    )
    with op.batch_alter_table("rejection_notes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rejection_notes_digest"), ["digest"], unique=False)
        batch_op.create_index(batch_op.f("ix_rejection_notes_sop_instance_uid"), ["sop_instance_uid"], unique=False)


def downgrade() -> None:
    op.drop_table("rejection_notes")
