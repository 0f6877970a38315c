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


def _name(uid: str, study: str) -> str:
    return hashlib.sha256(f"{study} {uid}".encode()).hexdigest()


def _rename(names: dict[str, str]) -> None:
    for before, now in names.items():
        change = sa.update(usual_series).where(usual_series.c.subject == before)
        op.get_bind().execute(change.values(subject=now))


def upgrade() -> None:
    _change_key("series_instance_uid", "study_instance_uid")
    of = instances.c
    query = sa.select(usual_series.c.subject, of.study_instance_uid).join(
        instances, sa.and_(of.digest == usual_series.c.digest, of.series_instance_uid == usual_series.c.subject)
    )
    _rename({uid: _name(uid, study) for uid, study in op.get_bind().execute(query).all()})


def downgrade() -> None:
    """Of a phantom's UID in two studies the newer statement stays."""
    op.execute(
        "DELETE FROM phantom_series WHERE EXISTS (SELECT 1 FROM phantom_series AS other WHERE "
        "other.series_instance_uid = phantom_series.series_instance_uid AND "
        "(other.decided_by != '', other.recognised_at, other.study_instance_uid) > "
        "(phantom_series.decided_by != '', phantom_series.recognised_at, phantom_series.study_instance_uid))"
    )
    _change_key("series_instance_uid")
    of = instances.c
    query = sa.select(usual_series.c.subject, of.series_instance_uid, of.study_instance_uid).join(
        instances, of.digest == usual_series.c.digest
    )
    rows = op.get_bind().execute(query).all()
    names = {subject: uid for subject, uid, study in rows if subject == _name(uid, study)}
    if len(set(names.values())) == len(names):
        _rename(names)
    else:  # the version before counts one series of each UID: it makes its histories anew from all verdicts
        op.execute("DELETE FROM usual_series")
        op.execute("DELETE FROM usual_baselines")
        op.execute("DELETE FROM rollup_marks WHERE name LIKE 'usual ranges%'")
