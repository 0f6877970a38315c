"""Imported reject logs of modalities, and a view of them

Revision ID: 0039
Revises: 0038
"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

VIEW = """
    SELECT r.log_id, r.day, r.at, r.modality, r.room, r.unit, r.operator, r.body_part, r.view, r.shift, r.reason,
           r.code AS reject_reason, r.finding, r.exposure_index, r.target_exposure_index, r.deviation_index,
           r.kvp, r.mas, l.mapping, l.imported_at
    FROM logged_rejects AS r JOIN reject_logs AS l ON l.log_id = r.log_id
"""


def upgrade() -> None:
    op.create_table(
        "reject_logs",
        sa.Column("log_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.DateTime(), nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("known", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_reject_logs")),
    )
    op.create_table(
        "logged_rejects",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("log_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.DateTime(), nullable=False) for name in ("at", "match_from", "match_until")),
        sa.Column("modality", sa.String(16), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("room", "unit", "operator", "body_part", "view", "shift", "reason")
        ),
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("finding", sa.String(32), nullable=False),
        *(
            sa.Column(name, sa.Float())
            for name in ("exposure_index", "target_exposure_index", "deviation_index", "kvp", "mas")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_logged_rejects")),
        sa.ForeignKeyConstraint(["log_id"], ["reject_logs.log_id"], name=op.f("fk_logged_rejects_log_id_reject_logs")),
    )
    op.create_index(op.f("ix_logged_rejects_log_id"), "logged_rejects", ["log_id"])
    op.create_index("ix_logged_rejects_day", "logged_rejects", ["day", "room"])
    op.execute(f"CREATE VIEW analysis_logged_rejects AS {VIEW}")


def downgrade() -> None:
    op.execute("DROP VIEW analysis_logged_rejects")
    op.drop_table("logged_rejects")
    op.drop_table("reject_logs")
