"""Which hospital a scanner without serial number is of, by the authority of its patients

The node gives the series of earlier versions to the histories of their hospitals when it next adds new ones
(miqa_node/features/usual_ranges/rows/hospitals.py).

Revision ID: 0063
Revises: 0062
"""

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usual_baselines", sa.Column("authority", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """The version before makes these histories anew, in its way: it reads all verdicts again."""
    op.execute(
        "DELETE FROM usual_series WHERE baseline IN (SELECT baseline FROM usual_baselines WHERE authority != '')"
    )
    op.execute("DELETE FROM usual_baselines WHERE authority != ''")
    op.execute("DELETE FROM rollup_marks WHERE name LIKE 'usual ranges%'")
    op.drop_column("usual_baselines", "authority")
