"""Days of a pilot of which an archive could not list all that it has

Revision ID: 0078
Revises: 0077
"""

import sqlalchemy as sa
from alembic import op

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pilot_gaps",
        sa.Column(
            "pilot", sa.String(40), sa.ForeignKey("pilots.name", name="fk_pilot_gaps_pilot_pilots"), primary_key=True
        ),
        sa.Column("day", sa.String(8), primary_key=True),
        sa.Column("why", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("pilot_gaps")
