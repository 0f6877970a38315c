"""Since when images of a body part are judged, and who ended its silent days

Revision ID: 0061
Revises: 0060
"""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "body_parts",
        sa.Column("body_part", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("body_part", name=op.f("pk_body_parts")),
    )
    # What a site has long sent is not silent again.
    op.execute(
        "INSERT INTO body_parts (body_part, began_at, actor, comment) "
        "SELECT i.body_part, min(d.decided_at), '', '' FROM dispositions d JOIN instances i ON i.digest = d.digest "
        "GROUP BY i.body_part"
    )


def downgrade() -> None:
    op.drop_table("body_parts")
