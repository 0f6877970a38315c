"""Reader studies

Revision ID: 0067e
Revises: 0067d
"""

import sqlalchemy as sa
from alembic import op

revision = "0067e"
down_revision = "0067d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reader_studies",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("protocol_sha256", sa.String(64), nullable=False),
        sa.Column("planned_at", sa.DateTime, nullable=False),
        sa.Column("planned_by", sa.Text, nullable=False),
        sa.Column("collected_at", sa.DateTime),
        sa.Column("available", sa.Integer),
    )
    op.create_table(
        "reader_study_images",
        sa.Column(
            "study",
            sa.String(40),
            sa.ForeignKey("reader_studies.name", name="fk_reader_study_images_study_reader_studies"),
            primary_key=True,
        ),
        sa.Column(
            "digest",
            sa.String(64),
            sa.ForeignKey("instances.digest", name="fk_reader_study_images_digest_instances"),
            primary_key=True,
        ),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("reasons", sa.JSON, nullable=False),
    )
    op.create_table(
        "reader_study_readings",
        sa.Column("study", sa.String(40), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("reader", sa.String(64), primary_key=True),
        sa.Column("arm", sa.String(8), primary_key=True),
        sa.Column("grade", sa.String(8), nullable=False),
        sa.Column("rating", sa.Integer, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("read_at", sa.DateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["study", "digest"],
            ["reader_study_images.study", "reader_study_images.digest"],
            name="fk_reader_study_readings_study_reader_study_images",
        ),
    )
