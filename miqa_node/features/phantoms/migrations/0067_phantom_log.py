"""Values of phantoms, kinds that people named, signatures, limits and changes of machines

The node measures phantom series of earlier versions when they are judged again.

Revision ID: 0067
Revises: 0066
"""

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "phantom_scans",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("stack", sa.Integer(), nullable=False),
        sa.Column("stacks", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("machine", sa.String(length=16), nullable=False),
        sa.Column("history", sa.String(length=16), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("manufacturer", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("serial_number", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("software", sa.Text(), nullable=False),
        sa.Column("coil", sa.Text(), nullable=False),
        sa.Column("tube", sa.Text(), nullable=False),
        sa.Column("acquired_at", sa.DateTime(), nullable=False),
        sa.Column("measured_at", sa.DateTime(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_phantom_scans_digest")),
        sa.PrimaryKeyConstraint("study_instance_uid", "series_instance_uid", "stack", name=op.f("pk_phantom_scans")),
    )
    op.create_index("ix_phantom_scans_digest", "phantom_scans", ["digest"])
    op.create_index("ix_phantom_scans_history", "phantom_scans", ["history", "acquired_at"])
    op.create_table(
        "phantom_values",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("stack", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("unit", sa.String(length=32), nullable=False),
        sa.Column("reading", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint(
            "study_instance_uid", "series_instance_uid", "stack", "name", name=op.f("pk_phantom_values")
        ),
    )
    op.create_table(
        "phantom_kinds",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", "series_instance_uid", name=op.f("pk_phantom_kinds")),
    )
    op.create_table(
        "phantom_signatures",
        sa.Column(
            "signature_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("stack", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("measured_at", sa.DateTime(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("signature_id", name=op.f("pk_phantom_signatures")),
    )
    op.create_index("ix_phantom_signatures_study_instance_uid", "phantom_signatures", ["study_instance_uid"])
    op.create_table(
        "phantom_limits",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("history", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("warn_reach", sa.Float(), nullable=True),
        sa.Column("fail_reach", sa.Float(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "history", "name", name=op.f("pk_phantom_limits")),
    )
    op.create_table(
        "phantom_changes",
        sa.Column(
            "change_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("machine", sa.String(length=16), nullable=False),
        sa.Column("on_day", sa.Date(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_phantom_changes")),
    )
    op.create_index("ix_phantom_changes_machine", "phantom_changes", ["machine"])


def downgrade() -> None:
    for table in (
        "phantom_changes", "phantom_limits", "phantom_signatures", "phantom_kinds", "phantom_values", "phantom_scans",
    ):  # fmt: skip
        op.drop_table(table)
