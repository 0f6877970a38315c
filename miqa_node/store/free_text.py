"""One field that finds images by whatever people have at hand: how a name or number begins, upper case or lower.

On SQLite, letters beyond ASCII are case-sensitive. The conditions are tried on the rows that the other filters and
the order leave, so callers limit these: by days, or by what is unresolved.
"""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.store.tables import acquisitions, instances, studies


def study_begins(text: str, study_instance_uid: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """A study by patient name or ID, accession number, or the station, room or operator of one of its images."""
    exposed = instances.outerjoin(acquisitions, acquisitions.c.digest == instances.c.digest)
    places = (instances.c.station, acquisitions.c.room, acquisitions.c.operator)
    return sa.or_(
        _identified(text, study_instance_uid),
        sa.exists()
        .select_from(exposed)
        .where(instances.c.study_instance_uid == study_instance_uid, _begin(text, *places))
        .correlate_except(instances, acquisitions),
    )


def image_begins(text: str) -> sa.ColumnElement[bool]:
    """An image by the same, or by the UID of itself, its series or its study."""
    uids = (instances.c.sop_instance_uid, instances.c.series_instance_uid, instances.c.study_instance_uid)
    exists = sa.exists().where(
        acquisitions.c.digest == instances.c.digest, _begin(text, acquisitions.c.room, acquisitions.c.operator)
    )
    return sa.or_(
        _begin(text, instances.c.station),
        *(uid == text for uid in uids),
        exists,
        _identified(text, instances.c.study_instance_uid),
    )


def _identified(text: str, study_instance_uid: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    of = studies.alias("identified")
    names = (of.c.patient_name, of.c.patient_id, of.c.accession_number)
    return sa.exists().where(of.c.study_instance_uid == study_instance_uid, _begin(text, *names))


def _begin(text: str, *columns: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return sa.or_(*(column.istartswith(text, autoescape=True) for column in columns))
