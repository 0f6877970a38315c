"""What texts of the node were made of, beside them, so that pages say them in their language

Rows of earlier versions have none and keep their English text.

Revision ID: 0058
Revises: 0057
"""

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

TEXTS = (
    ("deliveries", "last_error"),
    ("deliveries", "note"),
    ("destination_checks", "detail"),
    ("dispositions", "certificate"),
    ("notices", "last_error"),
    ("phantom_series", "reason"),
    ("senders", "hint"),
    ("worklist_events", "comment"),
)


def upgrade() -> None:
    for table, text in TEXTS:
        op.add_column(table, sa.Column(f"{text}_phrase", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    for table, text in TEXTS:
        op.drop_column(table, f"{text}_phrase")
