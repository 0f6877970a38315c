"""First tables

Revision ID: 0001
Revises: nothing; it is the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "executors",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_executors")),
    )
    op.create_table(
        "studies",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("accession_number", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("study_date", sa.String(length=8), nullable=False),
        sa.Column("study_description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", name=op.f("pk_studies")),
    )
    with op.batch_alter_table("studies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_studies_accession_number"), ["accession_number"], unique=False)

    op.create_table(
        "worklist_events",
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_worklist_events")),
    )
    with op.batch_alter_table("worklist_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_worklist_events_study_instance_uid"), ["study_instance_uid"], unique=False)

    op.create_table(
        "instances",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("body_part", sa.Text(), nullable=False),
        sa.Column("view", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("header", sa.JSON(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("calling_ae_title", sa.String(length=16), nullable=False),
        sa.Column("peer_address", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("conflicting", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_instance_uid"], ["studies.study_instance_uid"], name=op.f("fk_instances_study_instance_uid")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_instances")),
    )
    with op.batch_alter_table("instances", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_instances_received_at"), ["received_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_instances_series_instance_uid"), ["series_instance_uid"], unique=False)
        batch_op.create_index(batch_op.f("ix_instances_sop_instance_uid"), ["sop_instance_uid"], unique=False)
        batch_op.create_index(batch_op.f("ix_instances_study_instance_uid"), ["study_instance_uid"], unique=False)

    op.create_table(
        "worklist",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("flagged_at", sa.DateTime(), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=False),
        sa.Column("resolution", sa.String(length=16), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.DateTime(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_instance_uid"], ["studies.study_instance_uid"], name=op.f("fk_worklist_study_instance_uid")
        ),
        sa.PrimaryKeyConstraint("study_instance_uid", name=op.f("pk_worklist")),
    )
    with op.batch_alter_table("worklist", schema=None) as batch_op:
        batch_op.create_index("ix_worklist_state", ["state", "flagged_at"], unique=False)

    op.create_table(
        "assessments",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("model_sha256", sa.String(length=64), nullable=False),
        sa.Column("assessed_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_assessments_digest")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_assessments")),
    )
    op.create_table(
        "attempts",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_attempts_digest")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_attempts")),
    )
    op.create_table(
        "dispositions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_dispositions_digest")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_dispositions")),
    )
    with op.batch_alter_table("dispositions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dispositions_study_instance_uid"), ["study_instance_uid"], unique=False)

    op.create_table(
        "results",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_results_digest")),
        sa.PrimaryKeyConstraint("sop_instance_uid", name=op.f("pk_results")),
    )
    with op.batch_alter_table("results", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_results_digest"), ["digest"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(), nullable=False),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("queued_at", sa.DateTime(), nullable=False),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["sop_instance_uid"], ["results.sop_instance_uid"], name=op.f("fk_deliveries_sop_instance_uid")
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("sop_instance_uid", "destination", name=op.f("uq_deliveries_sop_instance_uid_destination")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_deliveries_due", ["destination", "state", "next_attempt_at"], unique=False)


def downgrade() -> None:

    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index("ix_deliveries_due")

    op.drop_table("deliveries")
    with op.batch_alter_table("results", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_results_digest"))

    op.drop_table("results")
    with op.batch_alter_table("dispositions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dispositions_study_instance_uid"))

    op.drop_table("dispositions")
    op.drop_table("attempts")
    op.drop_table("assessments")
    with op.batch_alter_table("worklist", schema=None) as batch_op:
        batch_op.drop_index("ix_worklist_state")

    op.drop_table("worklist")
    with op.batch_alter_table("instances", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_instances_study_instance_uid"))
        batch_op.drop_index(batch_op.f("ix_instances_sop_instance_uid"))
        batch_op.drop_index(batch_op.f("ix_instances_series_instance_uid"))
        batch_op.drop_index(batch_op.f("ix_instances_received_at"))

    op.drop_table("instances")
    with op.batch_alter_table("worklist_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_worklist_events_study_instance_uid"))

    op.drop_table("worklist_events")
    with op.batch_alter_table("studies", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_studies_accession_number"))

    op.drop_table("studies")
    op.drop_table("executors")
