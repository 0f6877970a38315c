"""The look of each room, and sets of limits that the node put in force by itself

Revision ID: 0070
Revises: 0069
"""

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None

PLACE = ("package", "body_part", "room", "view", "detector")

# Where an earlier version judged images, rooms keep what they have: a row that names no place says so.
NO_ROOM_LEARNS = """
INSERT INTO rooms (package, body_part, room, view, detector, state, began_at, changed_at, images, so_far, told,
    learned_from)
SELECT '', '', '', '', '', 'confirmed', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 0, 0, '[]', '{}'
WHERE EXISTS (SELECT 1 FROM assessments)
"""


def upgrade() -> None:
    op.add_column("site_limits", sa.Column("in_force_at", sa.DateTime))
    op.create_table(
        "rooms",
        *(sa.Column(name, sa.Text, primary_key=True) for name in PLACE),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("began_at", sa.DateTime, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        sa.Column("taught_since", sa.DateTime),
        sa.Column("images", sa.Integer, nullable=False),
        sa.Column("so_far", sa.Integer, nullable=False),
        sa.Column("found", sa.Float),
        sa.Column("told", sa.JSON, nullable=False),
        sa.Column("learned_from", sa.JSON, nullable=False),
        sa.Column("waiting_set", sa.Integer),
        sa.Column("looked_at", sa.DateTime),
    )
    op.execute(NO_ROOM_LEARNS)
