"""The audit trail

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

PRUNED = "OLD.number IS NULL OR OLD.number > coalesce((SELECT number FROM audit_marks WHERE name = 'checkpoint'), 0)"


def upgrade() -> None:
    op.create_table(
        "audit_records",
        sa.Column("record_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("means", sa.String(16), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("patient", sa.String(32), nullable=False),
        sa.Column("study", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_audit_records")),
        sa.UniqueConstraint("number", name=op.f("uq_audit_records_number")),
    )
    for column in ("at", "actor", "patient", "study"):
        op.create_index(op.f(f"ix_audit_records_{column}"), "audit_records", [column])
    op.create_table(
        "audit_patients",
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("pseudonym", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_audit_patients")),
        sa.UniqueConstraint("pseudonym", name=op.f("uq_audit_patients_pseudonym")),
    )
    op.create_table(
        "audit_marks",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_marks")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    refuse = "SELECT RAISE(ABORT, 'records of the audit trail cannot be changed')"
    op.execute(
        "CREATE TRIGGER audit_records_kept BEFORE UPDATE ON audit_records WHEN OLD.number IS NOT NULL "
        f"BEGIN {refuse}; END"
    )
    op.execute(f"CREATE TRIGGER audit_records_there BEFORE DELETE ON audit_records WHEN {PRUNED} BEGIN {refuse}; END")


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_records_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF (TG_OP = 'UPDATE' AND OLD.number IS NOT NULL) OR (TG_OP = 'DELETE' AND ({PRUNED})) "
        "THEN RAISE EXCEPTION 'records of the audit trail cannot be changed'; END IF; "
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_records_kept BEFORE UPDATE OR DELETE ON audit_records "
        "FOR EACH ROW EXECUTE FUNCTION audit_records_guard()"
    )


def downgrade() -> None:
    for table in ("audit_marks", "audit_patients", "audit_records"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_records_guard()")
