"""Free-text search of images by the beginning of a name or number, ignoring case.

SQLite folds the case of all scripts (database.py), PostgreSQL that of its locale. The conditions are evaluated on all
rows left by the other filters, so callers limit these, by days or to unresolved studies.
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
    """An image by the same, or by its own, its series' or its study's UID."""
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
