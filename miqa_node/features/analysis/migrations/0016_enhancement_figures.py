"""What enhancement does to marked images is kept when it was measured

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "enhancement_figures",
        sa.Column("figures_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("psnr_db", sa.Float(), nullable=False),
        sa.Column("ssim", sa.Float(), nullable=False),
        sa.Column("psnr_marked_db", sa.Float(), nullable=False),
        sa.Column("ssim_marked", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("figures_id", name=op.f("pk_enhancement_figures")),
    )


def downgrade() -> None:
    op.drop_table("enhancement_figures")
