"""Acquisitions and labels to count, the roll-up of their days, and who made an image

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acquisition_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("dimension", sa.String(length=16), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("judged", sa.Integer(), nullable=False),
        sa.Column("flagged", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("repeated", sa.Integer(), nullable=False),
        sa.Column("escaped", sa.Integer(), nullable=False),
        sa.Column("suspected", sa.Integer(), nullable=False),
        sa.Column("di_count", sa.Integer(), nullable=False),
        sa.Column("di_sum", sa.Float(), nullable=False),
        sa.Column("di_squares", sa.Float(), nullable=False),
        sa.Column("di_low", sa.Integer(), nullable=False),
        sa.Column("di_high", sa.Integer(), nullable=False),
        sa.Column("ei_count", sa.Integer(), nullable=False),
        sa.Column("ei_log_sum", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("day", "modality", "dimension", "value", name=op.f("pk_acquisition_days")),
    )
    with op.batch_alter_table("acquisition_days", schema=None) as batch_op:
        batch_op.create_index("ix_acquisition_days_dimension", ["dimension", "day"], unique=False)

    op.create_table(
        "measurement_weeks",
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("measurement", sa.String(length=64), nullable=False),
        sa.Column("bin", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("week", "station", "measurement", "bin", name=op.f("pk_measurement_weeks")),
    )
    op.create_table(
        "rollup_marks",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rollup_marks")),
    )
    op.create_table(
        "acquisition_findings",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("finding", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.String(length=20), nullable=False),
        sa.Column("x", sa.Float(), nullable=True),
        sa.Column("y", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_acquisition_findings_digest")),
        sa.PrimaryKeyConstraint("digest", "finding", name=op.f("pk_acquisition_findings")),
    )
    with op.batch_alter_table("acquisition_findings", schema=None) as batch_op:
        batch_op.create_index("ix_acquisition_findings_finding", ["finding", "day"], unique=False)

    op.create_table(
        "acquisitions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("acquired_at", sa.DateTime(), nullable=False),
        sa.Column("patient_key", sa.String(length=20), nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("body_part", sa.Text(), nullable=False),
        sa.Column("view", sa.Text(), nullable=False),
        sa.Column("laterality", sa.String(length=16), nullable=False),
        sa.Column("shift", sa.Text(), nullable=False),
        sa.Column("exposure_index", sa.Float(), nullable=True),
        sa.Column("target_exposure_index", sa.Float(), nullable=True),
        sa.Column("deviation_index", sa.Float(), nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("repeated", sa.Boolean(), nullable=False),
        sa.Column("rejected", sa.Boolean(), nullable=False),
        sa.Column("reject_reason", sa.String(length=16), nullable=False),
        sa.Column("judged_bad", sa.Boolean(), nullable=True),
        sa.Column("binned", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_acquisitions_digest")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_acquisitions")),
    )
    with op.batch_alter_table("acquisitions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_acquisitions_changed_at"), ["changed_at"], unique=False)
        batch_op.create_index("ix_acquisitions_day", ["day"], unique=False)
        batch_op.create_index("ix_acquisitions_patient", ["patient_key", "acquired_at"], unique=False)
        batch_op.create_index("ix_acquisitions_room", ["room", "day"], unique=False)
        batch_op.create_index(
            "ix_acquisitions_unbinned",
            ["digest"],
            unique=False,
            sqlite_where=sa.text("NOT binned"),
            postgresql_where=sa.text("NOT binned"),
        )

    op.create_table(
        "label_requests",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("asked_at", sa.DateTime(), nullable=False),
        sa.Column("first_reader", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_label_requests_digest")),
        sa.PrimaryKeyConstraint("digest", "kind", name=op.f("pk_label_requests")),
    )
    with op.batch_alter_table("label_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_label_requests_answered_at"), ["answered_at"], unique=False)

    op.create_table(
        "labels",
        sa.Column("label_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("bad", sa.Boolean(), nullable=False),
        sa.Column("rejects", sa.Boolean(), nullable=False),
        sa.Column("findings", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("sampled", sa.Float(), nullable=False),
        sa.Column("source_uid", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("model_sha256", sa.String(length=64), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_labels_digest")),
        sa.PrimaryKeyConstraint("label_id", name=op.f("pk_labels")),
    )
    with op.batch_alter_table("labels", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_labels_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_labels_digest"), ["digest"], unique=False)

    op.create_table(
        "label_findings",
        sa.Column("label_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("finding", sa.String(length=32), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("labelled", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["label_id"], ["labels.label_id"], name=op.f("fk_label_findings_label_id")),
        sa.PrimaryKeyConstraint("label_id", "finding", name=op.f("pk_label_findings")),
    )
    with op.batch_alter_table("instances", schema=None) as batch_op:
        batch_op.add_column(sa.Column("operator", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("instances", "operator")  # not as a batch: other tables refer to this one
    for table in ("label_findings", "labels", "label_requests", "acquisitions", "acquisition_findings"):
        op.drop_table(table)
    for table in ("rollup_marks", "measurement_weeks", "acquisition_days"):
        op.drop_table(table)
