"""Values of one item of a sequence have the same place: objects with several requests are read again

Objects with one request have it already. What retention removed cannot be read again, and stays findable as it was.

Revision ID: 0041
Revises: 0040
"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

STEP, PROCEDURE = sa.column("scheduled_procedure_step_id", sa.Text), sa.column("requested_procedure_id", sa.Text)
SEVERAL = sa.or_(*(sa.func.replace(column, "\\", "") != column for column in (STEP, PROCEDURE)))


def upgrade() -> None:
    results = sa.table("results", sa.column("digest"), sa.column("series_instance_uid"))
    op.execute(sa.update(results).where(SEVERAL, _is_kept("artifacts_removed_at")).values(series_instance_uid=None))
    op.execute(sa.delete(sa.table("source_headers", sa.column("digest"))).where(SEVERAL, _is_kept("removed_at")))


def _is_kept(removed_at: str) -> sa.ColumnElement[bool]:
    instances = sa.table("instances", sa.column("digest"), sa.column(removed_at))
    digests = sa.select(instances.c.digest).where(instances.c[removed_at].is_(None))
    return sa.column("digest").in_(digests)


def downgrade() -> None:
    """The version before reads both forms."""
