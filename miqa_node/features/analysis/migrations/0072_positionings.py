"""How the patient of each exposure was positioned, for coaching

Revision ID: 0072
Revises: 0071
"""

import sqlalchemy as sa
from alembic import op

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "positionings",
        sa.Column(
            "digest", sa.String(64), sa.ForeignKey("instances.digest", name="fk_positionings_digest_instances"),
            primary_key=True,
        ),
        sa.Column("kind", sa.String(8), nullable=False),
        *(sa.Column(name, sa.Float) for name in ("rotation", "tilt", "breath", "field", "cut")),
    )  # fmt: skip
