"""Notes that people leave on studies

Revision ID: 0070
Revises: 0069
"""

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sticky_notes",
        sa.Column("note_id", sa.Integer(), nullable=False),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("note_id", name=op.f("pk_sticky_notes")),
    )
    op.create_index(op.f("ix_sticky_notes_study_instance_uid"), "sticky_notes", ["study_instance_uid"])


def downgrade() -> None:
    op.drop_index(op.f("ix_sticky_notes_study_instance_uid"), table_name="sticky_notes")
    op.drop_table("sticky_notes")
