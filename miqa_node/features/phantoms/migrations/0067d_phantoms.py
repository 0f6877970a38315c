"""The log of phantoms

Revision ID: 0067d
Revises: 0067c
"""

import sqlalchemy as sa
from alembic import op

revision = "0067d"
down_revision = "0067c"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
INDEXES = [
    ("ix_phantom_scans_history", "phantom_scans", ["history", "acquired_at"]),
]


def upgrade() -> None:
    op.create_table(
        "phantom_changes",
        sa.Column("change_id", SERIAL, primary_key=True),
        sa.Column("machine", sa.String(16), nullable=False, index=True),
        sa.Column("on_day", sa.Date, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "phantom_kinds",
        sa.Column("study_instance_uid", sa.String(64), primary_key=True),
        sa.Column("series_instance_uid", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "phantom_limits",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("history", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("warn_reach", sa.Float),
        sa.Column("fail_reach", sa.Float),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "phantom_signatures",
        sa.Column("signature_id", SERIAL, primary_key=True),
        sa.Column("study_instance_uid", sa.String(64), nullable=False, index=True),
        sa.Column("series_instance_uid", sa.String(64), nullable=False),
        sa.Column("stack", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("measured_at", sa.DateTime, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
    )
    op.create_table(
        "phantom_values",
        sa.Column("study_instance_uid", sa.String(64), primary_key=True),
        sa.Column("series_instance_uid", sa.String(64), primary_key=True),
        sa.Column("stack", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("unit", sa.String(32), nullable=False),
        sa.Column("reading", sa.JSON, nullable=False),
    )
    op.create_table(
        "phantom_scans",
        sa.Column("study_instance_uid", sa.String(64), primary_key=True),
        sa.Column("series_instance_uid", sa.String(64), primary_key=True),
        sa.Column("stack", sa.Integer, primary_key=True),
        sa.Column("stacks", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), sa.ForeignKey("instances.digest"), nullable=False, index=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("machine", sa.String(16), nullable=False),
        sa.Column("history", sa.String(16), nullable=False),
        sa.Column("modality", sa.Text, nullable=False),
        sa.Column("station", sa.Text, nullable=False),
        sa.Column("manufacturer", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("serial_number", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("software", sa.Text, nullable=False),
        sa.Column("coil", sa.Text, nullable=False),
        sa.Column("tube", sa.Text, nullable=False),
        sa.Column("acquired_at", sa.DateTime, nullable=False),
        sa.Column("measured_at", sa.DateTime, nullable=False),
        sa.Column("withdrawn_at", sa.DateTime),
    )
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)
