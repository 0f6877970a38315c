"""Decisions that can be taken back

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

IN_FORCE = " WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.withdraws = l.decision_id)"
VIEWS = {
    "analysis_labels": """
        SELECT l.label_id, l.digest, i.sop_instance_uid, DATE(l.at) AS day, l.at, l.actor, l.origin, l.bad, l.rejects,
            l.reason, l.blind, l.sampled, l.verdict, l.model_name, l.model_version, l.model_sha256, l.policy_version
        FROM labels l JOIN instances i ON i.digest = l.digest
    """,
    "analysis_label_findings": """
        SELECT f.label_id, DATE(l.at) AS day, f.finding, f.probability, f.present, f.labelled
        FROM label_findings f JOIN labels l ON l.label_id = f.label_id
    """,
}
# What people decided so far: of each event, which labels were given with it, at the same moment by the same person.
EARLIER = (
    """
    INSERT INTO decisions (study_instance_uid, at, actor, resolution, reason, comment, images)
    SELECT study_instance_uid, at, actor, action, '', comment, '[]' FROM worklist_events
    WHERE action IN ('confirmed', 'dismissed', 'retaken', 'accepted') ORDER BY event_id
    """,
    """
    UPDATE labels SET decision_id = (
        SELECT MAX(d.decision_id) FROM decisions d JOIN instances i ON i.study_instance_uid = d.study_instance_uid
        WHERE i.digest = labels.digest AND d.at = labels.at AND d.actor = labels.actor
    ) WHERE origin IN ('decision', 'audit')
    """,
    """
    UPDATE worklist SET decision_id = (
        SELECT MAX(d.decision_id) FROM decisions d WHERE d.study_instance_uid = worklist.study_instance_uid
    ) WHERE state = 'RESOLVED' AND resolved_by <> 'miqa-node'
    """,
)


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("resolution", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("images", sa.JSON(), nullable=False),
        sa.Column("withdraws", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_study_instance_uid"), "decisions", ["study_instance_uid"])
    op.create_index(op.f("ix_decisions_withdraws"), "decisions", ["withdraws"])
    op.add_column("worklist", sa.Column("decision_id", sa.BigInteger(), nullable=True))
    op.add_column("worklist", sa.Column("retaken_at", sa.DateTime(), nullable=True))
    for table in ("labels", "results"):
        op.add_column(table, sa.Column("decision_id", sa.BigInteger(), nullable=True))
        op.create_index(op.f(f"ix_{table}_decision_id"), table, ["decision_id"])
    for statement in EARLIER:
        op.execute(statement)
    _make_views(IN_FORCE)


def downgrade() -> None:
    _make_views("")
    for table in ("results", "labels"):
        op.drop_index(op.f(f"ix_{table}_decision_id"), table)
        op.drop_column(table, "decision_id")
    op.drop_column("worklist", "retaken_at")
    op.drop_column("worklist", "decision_id")
    op.drop_table("decisions")


def _make_views(condition: str) -> None:
    for name, query in VIEWS.items():
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {query}{condition}")
