"""What the headers of received images say, so that DICOMweb finds them

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

COLUMNS = (
    "study_date", "study_time", "accession_number", "referring_physician_name", "referring_physician_name_ideographic",
    "referring_physician_name_phonetic", "patient_name", "patient_name_ideographic", "patient_name_phonetic",
    "patient_id", "study_instance_uid", "study_id", "patient_birth_date", "patient_sex", "study_description",
    "modality", "series_instance_uid", "series_number", "performed_procedure_step_start_date",
    "performed_procedure_step_start_time", "scheduled_procedure_step_id", "requested_procedure_id",
    "series_description", "instance_number",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "source_headers",
        sa.Column("digest", sa.String(length=64), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in COLUMNS),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_source_headers_digest_instances")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_source_headers")),
    )
    op.create_index("ix_source_headers_study_instance_uid", "source_headers", ["study_instance_uid"])
    op.create_index("ix_source_headers_series_instance_uid", "source_headers", ["series_instance_uid"])
    op.create_index("ix_source_headers_patient_id", "source_headers", ["patient_id"])


def downgrade() -> None:
    op.drop_table("source_headers")
