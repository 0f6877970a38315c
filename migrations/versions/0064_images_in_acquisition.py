"""Images in Acquisition ends no wait of a series

Earlier versions took it for the number of images of the series where Number of Series Related Instances was missing,
and did not keep which of the two it was. The series that are here wait for quiet, should more of them come.

Revision ID: 0064
Revises: 0063
"""

from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE series SET expected = 0 WHERE expected != 0")


def downgrade() -> None:
    """Without a number they wait for quiet in the version before, too."""
