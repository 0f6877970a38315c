"""Results are found by what their headers say

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

COLUMNS = (
    "study_date",
    "study_time",
    "accession_number",
    "referring_physician_name",
    "referring_physician_name_ideographic",
    "referring_physician_name_phonetic",
    "patient_name",
    "patient_name_ideographic",
    "patient_name_phonetic",
    "patient_id",
    "study_instance_uid",
    "study_id",
    "patient_birth_date",
    "patient_sex",
    "study_description",
    "modality",
    "series_instance_uid",
    "series_number",
    "performed_procedure_step_start_date",
    "performed_procedure_step_start_time",
    "scheduled_procedure_step_id",
    "requested_procedure_id",
    "series_description",
    "instance_number",
)
INDEXES = {
    "ix_results_study_instance_uid": ["study_instance_uid", "made_at"],
    "ix_results_series_instance_uid": ["series_instance_uid"],
    "ix_results_patient_id": ["patient_id"],
}


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("results", sa.Column(name, sa.Text()))
    for name, columns in INDEXES.items():
        op.create_index(name, "results", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "results")
    for name in COLUMNS:
        op.drop_column("results", name)
