"""Choice of models, shadow assessments, and the certificate beside each verdict

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activations",
        sa.Column("activation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("slot", sa.String(length=16), nullable=False),
        sa.Column("package", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("activation_id", name=op.f("pk_activations")),
    )
    with op.batch_alter_table("activations", schema=None) as batch_op:
        batch_op.create_index("ix_activations_slot", ["slot", "activation_id"], unique=False)

    op.create_table(
        "shadow_assessments",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("package", sa.String(length=128), nullable=False),
        sa.Column("model_sha256", sa.String(length=64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("assessed_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_shadow_assessments_digest")),
        sa.PrimaryKeyConstraint("digest", "package", name=op.f("pk_shadow_assessments")),
    )
    with op.batch_alter_table("shadow_assessments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_shadow_assessments_package"), ["package"], unique=False)

    with op.batch_alter_table("dispositions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("certificate", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("dispositions", schema=None) as batch_op:
        batch_op.drop_column("certificate")
    op.drop_table("shadow_assessments")
    op.drop_table("activations")
