"""Views that sites may query (docs/reference/analysis-schema.md), and the monthly reports

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Plain SQL that SQLite and PostgreSQL both take. No view shows a Patient ID, a name or an accession number.
VIEWS = {
    "analysis_images": """
        SELECT a.digest, i.sop_instance_uid, i.study_instance_uid, a.day, a.acquired_at, a.patient_key, a.modality,
            a.room, a.station, a.detector, a.operator, a.body_part, a.view, a.laterality, a.shift, a.exposure_index,
            a.target_exposure_index, a.deviation_index, a.verdict, a.model, a.archived, a.repeated, a.rejected,
            a.reject_reason, a.judged_bad
        FROM acquisitions a JOIN instances i ON i.digest = a.digest
    """,
    "analysis_days": """
        SELECT day, modality, dimension, value, images, judged, flagged, rejected, repeated, escaped, suspected,
            di_count, di_sum, di_squares, di_low, di_high, ei_count, ei_log_sum
        FROM acquisition_days
    """,
    "analysis_labels": """
        SELECT l.label_id, l.digest, i.sop_instance_uid, DATE(l.at) AS day, l.at, l.actor, l.origin, l.bad, l.rejects,
            l.reason, l.blind, l.sampled, l.verdict, l.model_name, l.model_version, l.model_sha256, l.policy_version
        FROM labels l JOIN instances i ON i.digest = l.digest
    """,
    "analysis_label_findings": """
        SELECT f.label_id, DATE(l.at) AS day, f.finding, f.probability, f.present, f.labelled
        FROM label_findings f JOIN labels l ON l.label_id = f.label_id
    """,
    "analysis_findings": """
        SELECT digest, day, finding, detector, patient_key, x, y FROM acquisition_findings
    """,
    "analysis_measurements": """
        SELECT week, station, measurement, bin, count FROM measurement_weeks
    """,
}


def upgrade() -> None:
    op.create_table(
        "analysis_reports",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_analysis_reports")),
    )
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    op.drop_table("analysis_reports")
