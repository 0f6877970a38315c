"""Free-text search by the beginning of a name or number, ignoring case.

SQLite folds the case of all scripts (database.py), PostgreSQL that of its locale. Conditions on images are evaluated on
all rows left by the other filters, so callers limit these, by days or to some studies. PostgreSQL finds patients and
accession numbers by indexes (late_indexes.py).
"""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables import acquisitions, instances, patient_names, patients, studies


def studies_begin(text: str, among: sa.Select[str]) -> sa.CompoundSelect[str]:
    """Studies by patient name or ID or accession number; ``among`` some also by station, room or operator."""
    exposed = instances.outerjoin(acquisitions, acquisitions.c.digest == instances.c.digest)
    places = _begin(text, instances.c.station, acquisitions.c.room, acquisitions.c.operator)
    study = instances.c.study_instance_uid
    of = studies.c
    return sa.union(
        *(
            sa.select(of.study_instance_uid).where(_folded_begins(text, name))
            for name in (of.patient_name, of.patient_id, of.accession_number)
        ),
        *(sa.select(study).where(instances.c.patient_number.in_(numbers)) for numbers in _patients_begin(text)),
        sa.select(study).select_from(exposed).where(study.in_(among.subquery().select()), places),
    )


def _patients_begin(text: str) -> tuple[sa.Select[int], sa.Select[int]]:
    """Patients by ID, or by any name that they ever had."""
    of, names = patients.c, patient_names.c
    return (
        sa.select(of.patient_number).where(_folded_begins(text, of.patient_id)),
        sa.select(names.patient_number).where(_folded_begins(text, names.patient_name)),
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
    # An image is its own patient's, whatever other images of the study say; the study counts until its patient is read.
    unread = sa.and_(instances.c.patient_number.is_(None), _begin(text, of.c.patient_name, of.c.patient_id))
    study = sa.or_(_begin(text, of.c.accession_number), unread)
    return sa.or_(
        sa.exists().where(of.c.study_instance_uid == study_instance_uid, study),
        *(instances.c.patient_number.in_(numbers) for numbers in _patients_begin(text)),
    )


def _begin(text: str, *columns: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return sa.or_(*(column.istartswith(text, autoescape=True) for column in columns))


def _folded_begins(text: str, column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """The same as :func:`_begin`, in the form that an index serves."""
    escaped = text.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return sa.func.lower(column).like(sa.func.lower(escaped).concat("%"), escape="/")
