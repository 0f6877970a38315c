"""Notices by e-mail

Revision ID: 0067c
Revises: 0067b
"""

import sqlalchemy as sa
from alembic import op

revision = "0067c"
down_revision = "0067b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notice_preferences",
        sa.Column(
            "account",
            sa.String(64),
            sa.ForeignKey("users.name", name="fk_notice_preferences_account_users"),
            primary_key=True,
        ),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("rooms", sa.JSON, nullable=False),
        sa.Column("digest", sa.Boolean, nullable=False),
        sa.Column("escalation", sa.Boolean, nullable=False),
        sa.Column("quiet_from", sa.String(5), nullable=False),
        sa.Column("quiet_until", sa.String(5), nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
    )
