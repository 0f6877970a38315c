"""Reader studies

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reader_studies",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("protocol_sha256", sa.String(length=64), nullable=False),
        sa.Column("planned_at", sa.DateTime(), nullable=False),
        sa.Column("planned_by", sa.Text(), nullable=False),
        sa.Column("collected_at", sa.DateTime(), nullable=True),
        sa.Column("available", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_reader_studies")),
    )
    op.create_table(
        "reader_study_images",
        sa.Column("study", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study"], ["reader_studies.name"], name=op.f("fk_reader_study_images_study_reader_studies")
        ),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_reader_study_images_digest_instances")),
        sa.PrimaryKeyConstraint("study", "digest", name=op.f("pk_reader_study_images")),
    )
    op.create_table(
        "reader_study_readings",
        sa.Column("study", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("reader", sa.String(length=64), nullable=False),
        sa.Column("arm", sa.String(length=8), nullable=False),
        sa.Column("grade", sa.String(length=8), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("read_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study", "digest"],
            ["reader_study_images.study", "reader_study_images.digest"],
            name=op.f("fk_reader_study_readings_study_reader_study_images"),
        ),
        sa.PrimaryKeyConstraint("study", "digest", "reader", "arm", name=op.f("pk_reader_study_readings")),
    )


def downgrade() -> None:
    op.drop_table("reader_study_readings")
    op.drop_table("reader_study_images")
    op.drop_table("reader_studies")
