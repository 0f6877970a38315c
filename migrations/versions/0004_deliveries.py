"""Storage commitment of deliveries, and what people did with them

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("transaction_uid", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("commit_at", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("commit_attempts", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("committed_at", sa.DateTime(), nullable=True))
        batch_op.create_index(batch_op.f("ix_deliveries_transaction_uid"), ["transaction_uid"], unique=False)
        batch_op.create_index("ix_deliveries_commit", ["destination", "commit_at"], unique=False)

    op.create_table(
        "delivery_events",
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.delivery_id"], name=op.f("fk_delivery_events_delivery_id")
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_delivery_events")),
    )
    with op.batch_alter_table("delivery_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_delivery_events_delivery_id"), ["delivery_id"], unique=False)


def downgrade() -> None:
    op.drop_table("delivery_events")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index("ix_deliveries_commit")
        batch_op.drop_index(batch_op.f("ix_deliveries_transaction_uid"))
        batch_op.drop_column("committed_at")
        batch_op.drop_column("commit_attempts")
        batch_op.drop_column("commit_at")
        batch_op.drop_column("transaction_uid")
