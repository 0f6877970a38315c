"""Usual ranges of scanners

Revision ID: 0062
Revises: 0061
"""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

FIELDS = ("station", "device", "serial_number", "software", "protocol", "kernel", "body_part", "view")
UNUSUAL = sa.text("is_unusual")


def upgrade() -> None:
    op.create_table(
        "usual_baselines",
        sa.Column("baseline", sa.String(16), nullable=False),
        sa.Column("modality", sa.String(16), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in FIELDS),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("ranged_series", sa.Integer(), nullable=False),
        sa.Column("ranges", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("baseline", name=op.f("pk_usual_baselines")),
    )
    op.create_index(op.f("ix_usual_baselines_station"), "usual_baselines", ["station"])
    op.create_table(
        "usual_series",
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("baseline", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("assessed_at", sa.DateTime(), nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.Column("unusual", sa.JSON(), nullable=False),
        sa.Column("is_unusual", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["instances.digest"], name=op.f("fk_usual_series_digest")),
        sa.ForeignKeyConstraint(["baseline"], ["usual_baselines.baseline"], name=op.f("fk_usual_series_baseline")),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_usual_series")),
    )
    op.create_index("ix_usual_series_baseline", "usual_series", ["baseline", "at"])
    op.create_index("ix_usual_series_digest", "usual_series", ["digest"])
    op.create_index(
        "ix_usual_series_unusual",
        "usual_series",
        ["baseline", "at"],
        sqlite_where=UNUSUAL,
        postgresql_where=UNUSUAL,
    )


def downgrade() -> None:
    op.drop_table("usual_series")
    op.drop_table("usual_baselines")
    op.execute("DELETE FROM rollup_marks WHERE name = 'usual ranges'")
