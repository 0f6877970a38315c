"""Who the patient is: Patient ID and assigning authority, for each image

What earlier versions received has no patient yet; a background job reads whose images they are. Old processes go on
beside new ones and leave the columns empty. On PostgreSQL the indexes of large tables are built after the migration,
without a lock (miqa_node/runtime/store/late_indexes.py).

Revision ID: 0050
Revises: 0049
"""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "patients",
        sa.Column("patient_number", NUMBER, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("is_known", sa.Boolean(), nullable=False),
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("patient_birth_date", sa.String(8), nullable=False),
        sa.Column("named_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("patient_number", name=op.f("pk_patients")),
        sa.UniqueConstraint(
            "patient_id",
            "authority",
            "is_known",
            "scope",
            name=op.f("uq_patients_patient_id_authority_is_known_scope"),
        ),
    )
    op.create_table(
        "patient_names",
        sa.Column("patient_number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("patient_birth_date", sa.String(8), nullable=False),
        sa.Column("named_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("patient_number", "patient_name", "patient_birth_date", name=op.f("pk_patient_names")),
        sa.ForeignKeyConstraint(
            ["patient_number"], ["patients.patient_number"], name=op.f("fk_patient_names_patient_number")
        ),
    )
    op.create_table(
        "patient_conflicts",
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("found_at", sa.DateTime(), nullable=False),
        sa.Column("resolved_at", sa.DateTime()),
        sa.Column("resolved_by", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", name=op.f("pk_patient_conflicts")),
    )
    for table in ("instances", "studies"):
        op.add_column(table, sa.Column("patient_number", sa.BigInteger()))
    for table in ("legal_holds", "erasures"):
        op.add_column(table, sa.Column("authority", sa.Text()))
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("ix_studies_patient_number", "studies", ["patient_number"])
        op.create_index("ix_instances_patient_number", "instances", ["patient_number", "received_at", "digest"])


def downgrade() -> None:
    for index in ("ix_instances_nameless", "ix_instances_patient_number", "ix_studies_patient_number"):
        op.execute(f"DROP INDEX IF EXISTS {index}")
    for index in ("ix_patients_patient_id_begins", "ix_patient_names_begins"):
        op.execute(f"DROP INDEX IF EXISTS {index}")
    for table in ("legal_holds", "erasures"):
        op.drop_column(table, "authority")
    for table in ("instances", "studies"):
        op.drop_column(table, "patient_number")
    for table in ("patient_conflicts", "patient_names", "patients"):
        op.drop_table(table)
