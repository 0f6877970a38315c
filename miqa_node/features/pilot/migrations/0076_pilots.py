"""Pilots: images of the past, judged for a report

Revision ID: 0076
Revises: 0075
"""

import sqlalchemy as sa
from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "pilots",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("protocol_sha256", sa.String(64), nullable=False),
        sa.Column("planned_at", sa.DateTime, nullable=False),
        sa.Column("planned_by", sa.Text, nullable=False),
        sa.Column("idle_s", sa.Float),
        sa.Column("is_paused", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("sampled_at", sa.DateTime),
        sa.Column("readers", sa.JSON, nullable=False, server_default="[]"),
    )
    op.create_table(
        "pilot_days",
        sa.Column(
            "pilot", sa.String(40), sa.ForeignKey("pilots.name", name="fk_pilot_days_pilot_pilots"), primary_key=True
        ),
        sa.Column("day", sa.String(8), primary_key=True),
        sa.Column("modality", sa.String(16), primary_key=True),
        sa.Column("planned", sa.Integer, nullable=False),
        sa.Column("found", sa.Integer),
    )
    op.create_table(
        "pilot_images",
        sa.Column("image_id", SERIAL, primary_key=True),
        sa.Column(
            "pilot", sa.String(40), sa.ForeignKey("pilots.name", name="fk_pilot_images_pilot_pilots"), nullable=False
        ),
        *(
            sa.Column(f"{level}_uid", sa.String(64), nullable=False)
            for level in ("sop_instance", "sop_class", "series_instance", "study_instance")
        ),
        sa.Column("study_date", sa.String(8), nullable=False),
        sa.Column("modality", sa.String(16), nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("authority", sa.Text),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64)),
        sa.Column("size_bytes", sa.BigInteger),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("room", "body_part", "view")),
        sa.Column("day", sa.Date),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("findings", sa.JSON, nullable=False),
        sa.Column("unassessed", sa.Text, nullable=False),
        sa.Column("document", sa.JSON),
        sa.Column("judged_at", sa.DateTime),
        sa.Column("stratum", sa.String(200), nullable=False, server_default=""),
        sa.Column("trials", sa.JSON),
        sa.Column("own", sa.JSON),
        sa.UniqueConstraint("pilot", "sop_instance_uid", name="uq_pilot_images_pilot_sop_instance_uid"),
    )
    op.create_index("ix_pilot_images_patient_id", "pilot_images", ["patient_id"])
    op.create_index("ix_pilot_images_outcome", "pilot_images", ["pilot", "outcome"])
    op.create_table(
        "pilot_moves",
        sa.Column("originator", sa.String(16), primary_key=True),
        sa.Column("message_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("until", sa.DateTime, nullable=False),
    )
    op.create_table(
        "pilot_sample",
        sa.Column(
            "image_id", SERIAL,
            sa.ForeignKey("pilot_images.image_id", name="fk_pilot_sample_image_id_pilot_images"),
            primary_key=True, autoincrement=False,
        ),
        sa.Column(
            "pilot", sa.String(40), sa.ForeignKey("pilots.name", name="fk_pilot_sample_pilot_pilots"), nullable=False
        ),
        sa.Column("drawn_order", sa.Integer, nullable=False),
        sa.Column("is_second", sa.Boolean, nullable=False),
        sa.Column("picture", sa.LargeBinary),
        sa.Column("loss", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    )  # fmt: skip
    op.create_index("ix_pilot_sample_pilot", "pilot_sample", ["pilot"])
    op.create_table(
        "pilot_readings",
        sa.Column(
            "image_id", SERIAL,
            sa.ForeignKey("pilot_sample.image_id", name="fk_pilot_readings_image_id_pilot_sample"),
            primary_key=True, autoincrement=False,
        ),
        sa.Column("reader", sa.String(64), primary_key=True),
        sa.Column("grade", sa.String(8), nullable=False),
        sa.Column("rating", sa.Integer, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("read_at", sa.DateTime, nullable=False),
    )  # fmt: skip
