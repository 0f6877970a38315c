"""By which settings images were given their patients, and how far a new reading has come

Revision ID: 0056
Revises: 0055
"""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "patient_readings",
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("rules", sa.String(64), nullable=False),
        sa.Column("after_study", sa.String(64), nullable=False),
        sa.Column("images_left", sa.Integer(), nullable=False),
        sa.Column("done_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_patient_readings")),
    )


def downgrade() -> None:
    op.drop_table("patient_readings")
