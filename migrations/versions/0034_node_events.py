"""Events of the node itself, which are about no image

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# SQLite changes a table by copying it, and cannot drop one that another refers to.
SET_ASIDE = (
    """CREATE TEMPORARY TABLE kept_actions AS SELECT * FROM delivery_events
        WHERE delivery_id IN (SELECT delivery_id FROM deliveries WHERE event_id IS NOT NULL)""",
    "CREATE TEMPORARY TABLE kept_deliveries AS SELECT * FROM deliveries WHERE event_id IS NOT NULL",
    "DELETE FROM delivery_events WHERE delivery_id IN (SELECT delivery_id FROM kept_deliveries)",
    "DELETE FROM deliveries WHERE event_id IS NOT NULL",
)
PUT_BACK = (
    "INSERT INTO deliveries SELECT * FROM kept_deliveries",
    "INSERT INTO delivery_events SELECT * FROM kept_actions",
    "DROP TABLE kept_deliveries",
    "DROP TABLE kept_actions",
)
FORGET = (
    """DELETE FROM delivery_events WHERE delivery_id IN
        (SELECT delivery_id FROM deliveries JOIN events USING (event_id) WHERE digest IS NULL)""",
    "DELETE FROM deliveries WHERE event_id IN (SELECT event_id FROM events WHERE digest IS NULL)",
    "DELETE FROM events WHERE digest IS NULL",
)


def upgrade() -> None:
    allow_null(True)


def downgrade() -> None:
    for statement in FORGET:
        op.execute(statement)
    allow_null(False)


def allow_null(nullable: bool) -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SET_ASIDE if is_sqlite else ():
        op.execute(statement)
    with op.batch_alter_table("events") as table:
        table.alter_column("digest", existing_type=sa.String(64), nullable=nullable)
    for statement in PUT_BACK if is_sqlite else ():
        op.execute(statement)
