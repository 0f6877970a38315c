"""The same image in another encoding is a copy of it, not another image

Revision ID: 0051
Revises: 0050
"""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "copies",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("of", sa.String(64), sa.ForeignKey("instances.digest"), nullable=False),
        sa.Column("header", sa.JSON(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_bytes", sa.BigInteger()),
        sa.Column("calling_ae_title", sa.String(16), nullable=False),
        sa.Column("peer_address", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("is_lossy", sa.Boolean(), nullable=False),
        sa.Column("waits", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_copies_of", "copies", ["of"])
    waits = sa.text("waits")
    op.create_index("ix_copies_waits", "copies", ["of"], sqlite_where=waits, postgresql_where=waits)


def downgrade() -> None:
    op.drop_table("copies")
