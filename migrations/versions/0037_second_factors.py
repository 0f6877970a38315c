"""Second factors of accounts with passwords

Revision ID: 0037
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "second_factors",
        sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), primary_key=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime()),
        sa.Column("step", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("code_sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False, index=True),
    )
    op.create_table(
        "half_sign_ins",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), sa.ForeignKey("users.name"), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
    )


def downgrade() -> None:
    for table in ("half_sign_ins", "recovery_codes", "second_factors"):
        op.drop_table(table)
