"""Lists of phantoms and usual ranges tell series apart that have one UID in two studies

Revision ID: 0066
Revises: 0065
"""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None

instances = sa.table("instances", *map(sa.column, ("digest", "study_instance_uid", "series_instance_uid")))
usual_series = sa.table("usual_series", *map(sa.column, ("subject", "digest")))


def _change_key(*columns: str) -> None:
    # resolve_fks: other tables have indexes of expressions, of which SQLAlchemy would warn
    with op.batch_alter_table("phantom_series", reflect_kwargs={"resolve_fks": False}) as table:
        table.drop_constraint("pk_phantom_series", type_="primary")
        table.create_primary_key("pk_phantom_series", list(columns))


def upgrade() -> None:
    _change_key("series_instance_uid", "study_instance_uid")
    connection, of = op.get_bind(), instances.c
    query = sa.select(usual_series.c.subject, of.study_instance_uid).join(
        instances, sa.and_(of.digest == usual_series.c.digest, of.series_instance_uid == usual_series.c.subject)
    )
    for uid, study in connection.execute(query).all():
        subject = hashlib.sha256(f"{study} {uid}".encode()).hexdigest()
        connection.execute(sa.update(usual_series).where(usual_series.c.subject == uid).values(subject=subject))


def downgrade() -> None:
    """Of a UID in two studies the newer statement stays; the version before makes histories anew from all verdicts."""
    op.execute(
        "DELETE FROM phantom_series WHERE EXISTS (SELECT 1 FROM phantom_series AS other WHERE "
        "other.series_instance_uid = phantom_series.series_instance_uid AND "
        "(other.decided_by != '', other.recognised_at, other.study_instance_uid) > "
        "(phantom_series.decided_by != '', phantom_series.recognised_at, phantom_series.study_instance_uid))"
    )
    _change_key("series_instance_uid")
    op.execute("DELETE FROM usual_series")
    op.execute("DELETE FROM usual_baselines")
    op.execute("DELETE FROM rollup_marks WHERE name LIKE 'usual ranges%'")
