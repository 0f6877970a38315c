"""Analysis: its tables, and the views that sites may read

Revision ID: 0067b
Revises: 0067a
"""

import sqlalchemy as sa
from alembic import op

revision = "0067b"
down_revision = "0067a"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
FINDING = sa.String(64).with_variant(sa.String(32), "sqlite")
"""The type of today; SQLite keeps no lengths, and says what it said at first."""
INDEXES = [
    ("ix_logged_rejects_day", "logged_rejects", ["day", "room"]),
]
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
        FROM acquisition_days WHERE within = ''
    """,
    "analysis_findings": "SELECT digest, day, finding, detector, patient_key, x, y FROM acquisition_findings",
    "analysis_measurements": "SELECT week, station, measurement, bin, count FROM measurement_weeks",
    "analysis_labels": """
        SELECT l.label_id, l.digest, i.sop_instance_uid, DATE(l.at) AS day, l.at, l.actor, l.origin, l.bad, l.rejects,
            l.reason, l.blind, l.sampled, l.verdict, l.model_name, l.model_version, l.model_sha256, l.policy_version
        FROM labels l JOIN instances i ON i.digest = l.digest
        WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.withdraws = l.decision_id)
    """,
    "analysis_label_findings": """
        SELECT f.label_id, DATE(l.at) AS day, f.finding, f.probability, f.present, f.labelled
        FROM label_findings f JOIN labels l ON l.label_id = f.label_id
        WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.withdraws = l.decision_id)
    """,
    "analysis_logged_rejects": """
        SELECT r.log_id, r.day, r.at, r.modality, r.room, r.unit, r.operator, r.body_part, r.view, r.shift, r.reason,
            r.code AS reject_reason, r.finding, r.exposure_index, r.target_exposure_index, r.deviation_index,
            r.kvp, r.mas, l.mapping, l.imported_at
        FROM logged_rejects AS r JOIN reject_logs AS l ON l.log_id = r.log_id
    """,
}
"""Plain SQL that SQLite and PostgreSQL both take. No view shows a Patient ID, a name or an accession number."""


def upgrade() -> None:
    op.create_table(
        "analysis_reports",
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("made_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "enhancement_figures",
        sa.Column("figures_id", SERIAL, primary_key=True),
        sa.Column("method", sa.String(64), nullable=False),
        sa.Column("made_at", sa.DateTime, nullable=False),
        sa.Column("since", sa.Date, nullable=False),
        sa.Column("until", sa.Date, nullable=False),
        sa.Column("images", sa.Integer, nullable=False),
        sa.Column("psnr_db", sa.Float, nullable=False),
        sa.Column("ssim", sa.Float, nullable=False),
        sa.Column("psnr_marked_db", sa.Float, nullable=False),
        sa.Column("ssim_marked", sa.Float, nullable=False),
    )
    op.create_table(
        "label_days",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("dimension", sa.String(16), primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("labels", sa.Integer, nullable=False),
        sa.Column("bad", sa.Integer, nullable=False),
    )
    op.create_table(
        "measurement_weeks",
        sa.Column("week", sa.Date, primary_key=True),
        sa.Column("station", sa.Text, primary_key=True),
        sa.Column("measurement", sa.String(64), primary_key=True),
        sa.Column("bin", sa.Integer, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_table(
        "reject_logs",
        sa.Column("log_id", SERIAL, primary_key=True),
        sa.Column("mapping", sa.Text, nullable=False),
        sa.Column("imported_at", sa.DateTime, nullable=False),
        sa.Column("imported_by", sa.Text, nullable=False),
        sa.Column("known", sa.Integer, nullable=False),
    )
    op.create_table(
        "logged_rejects",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column(
            "log_id",
            SERIAL,
            sa.ForeignKey("reject_logs.log_id", name="fk_logged_rejects_log_id_reject_logs"),
            nullable=False,
            index=True,
        ),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("match_from", sa.DateTime, nullable=False),
        sa.Column("match_until", sa.DateTime, nullable=False),
        sa.Column("modality", sa.String(16), nullable=False),
        sa.Column("room", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("body_part", sa.Text, nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("shift", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("finding", FINDING, nullable=False),
        sa.Column("exposure_index", sa.Float),
        sa.Column("target_exposure_index", sa.Float),
        sa.Column("deviation_index", sa.Float),
        sa.Column("kvp", sa.Float),
        sa.Column("mas", sa.Float),
    )
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")
