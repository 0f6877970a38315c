"""What retention removed, what was promised to peers, legal holds, and how full the disk was

Revision ID: 0020
Revises: 0019
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TIMES = (
    "promised_at", "archived_at", "restored_at", "removed_at", "deleted_at", "artifacts_removed_at",
    "artifacts_deleted_at",
)  # fmt: skip
UNDELETED = (
    "(removed_at IS NOT NULL AND deleted_at IS NULL)"
    " OR (artifacts_removed_at IS NOT NULL AND artifacts_deleted_at IS NULL)"
)
INDEXES = {
    "kept": ("received_at", "removed_at IS NULL"),
    "undeleted": ("digest", UNDELETED),
    "bare": ("removed_at", "removed_at IS NOT NULL AND artifacts_removed_at IS NULL"),
}


def upgrade() -> None:
    for name in TIMES:
        op.add_column("instances", sa.Column(name, sa.DateTime()))
    op.add_column("instances", sa.Column("removal_cause", sa.String(16), nullable=False, server_default=""))
    for name, (column, where) in INDEXES.items():
        text = sa.text(where)
        op.create_index(f"ix_instances_{name}", "instances", [column], sqlite_where=text, postgresql_where=text)
    op.create_table(
        "legal_holds",
        sa.Column("hold_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(), nullable=False),
        sa.Column("cleared_by", sa.Text(), nullable=False),
        sa.Column("cleared_at", sa.DateTime()),
        sa.Column("clearing_reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_legal_holds")),
    )
    op.create_index(op.f("ix_legal_holds_study_instance_uid"), "legal_holds", ["study_instance_uid"])
    op.create_table(
        "disk_samples",
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("free_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", "at", name=op.f("pk_disk_samples")),
    )
    remember_promises()


def remember_promises() -> None:
    """Storage commitment that was reported before: its objects stay until an archive confirms them."""
    connection = op.get_bind()
    asked = connection.execute(
        sa.text("SELECT objects, reported_at FROM commitment_requests WHERE reported_at IS NOT NULL")
    )
    for objects, reported_at in asked.all():
        pairs = json.loads(objects) if isinstance(objects, str) else objects
        for sop_class_uid, sop_instance_uid in pairs:
            connection.execute(
                sa.text(
                    "UPDATE instances SET promised_at = :at WHERE sop_instance_uid = :uid AND sop_class_uid = :class"
                ),
                {"at": reported_at, "uid": sop_instance_uid, "class": sop_class_uid},
            )


def downgrade() -> None:
    op.drop_table("disk_samples")
    op.drop_table("legal_holds")
    for name in INDEXES:
        op.drop_index(f"ix_instances_{name}", "instances")
    for name in (*TIMES, "removal_cause"):
        op.drop_column("instances", name)
