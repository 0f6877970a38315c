"""Patients of received images: who they are, their last and earlier names, and studies with images of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.instance import StudyRecord
from miqa_node.core.domain.patient import PatientKey
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction, insert_or_ignore, insert_unless_taken
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import instances, patient_conflicts, patient_names, patients, studies

_of = patients.c
KEY = (_of.patient_id, _of.authority, _of.is_known)
"""The columns of a patient's key."""
IMAGES = instances.join(studies, studies.c.study_instance_uid == instances.c.study_instance_uid).outerjoin(
    patients, _of.patient_number == instances.c.patient_number
)
"""Images with their studies and, once they are read, their patients."""
IMAGE_KEY = (*KEY, instances.c.study_instance_uid, studies.c.patient_id.label("study_patient_id"))
"""Columns of :data:`IMAGES` that say whose an image is."""


@dataclass(frozen=True, slots=True)
class PatientRow:
    """A patient, named as in the image that came last."""

    patient_number: int
    key: PatientKey
    patient_name: str
    patient_birth_date: str


def key_of(row: Any) -> PatientKey:
    """The key in a row with the columns :data:`KEY`."""
    return PatientKey(row.patient_id, row.authority if row.is_known else None)


def row_of(key: PatientKey) -> dict[str, Any]:
    """The columns of a key."""
    return {"patient_id": key.patient_id, "authority": key.authority or "", "is_known": key.authority is not None}


@dataclass(frozen=True, slots=True)
class PatientBefore:
    """The patient of an image that comes, and what was known of patient and study before it."""

    patient_number: int
    patient_name: str
    patient_birth_date: str
    named_at: datetime
    study_number: int | None = None
    """The patient whom the study's row names."""
    study_patient_id: str | None = None
    """None if there is no such study yet."""


def before(transaction: Transaction, study: StudyRecord, at: datetime) -> PatientBefore:
    """The patient of an image that came at ``at``, new or known. One statement for patient and study."""
    scope = "" if study.patient.is_shared else study.study_instance_uid
    key = {**row_of(study.patient), "scope": scope}
    row = _FIND.run(transaction, {**key, "study": study.study_instance_uid})
    if row is None:
        new = _INSERT.run(transaction, {**key, **_names(study), "named_at": at})
        if new is not None:
            _add_name(transaction, new.patient_number, _names(study), at)
            return PatientBefore(new.patient_number, study.patient_name, study.patient_birth_date, at)
        row = _FIND.run(transaction, {**key, "study": study.study_instance_uid})  # another process was faster
    return PatientBefore(*row)


def add_study(
    transaction: Transaction, one: PatientBefore, study: StudyRecord, columns: Mapping[str, str], at: datetime
) -> PatientBefore:
    """Insert the row of an image's study, unless it is there."""
    if one.study_patient_id is not None:
        return one
    number, uid = one.patient_number, study.study_instance_uid
    if insert_or_ignore(transaction, studies, {"study_instance_uid": uid, **columns, "patient_number": number}):
        return replace(one, study_number=number, study_patient_id=study.patient_id)
    return before(transaction, study, at)


def place(transaction: Transaction, one: PatientBefore, study: StudyRecord, at: datetime, now: datetime) -> None:
    """A new image of a patient: its name and birth date are the last, unless later ones came already.

    If the study has images of another patient, nobody wins: people are asked to look.
    """
    number = one.patient_number
    _note_names(transaction, one, study, at, now)
    if one.study_number == number:
        return
    if one.study_number is None and one.study_patient_id == study.patient_id:
        _TAKE.run(transaction, {"study": study.study_instance_uid, "number": number})
    if _contradicts(transaction, number, study):
        _open_conflict(transaction, study.study_instance_uid, now)


def of_image(transaction: Transaction, digest: str) -> PatientRow | None:
    """The patient of an image; None if it was not read yet."""
    row = _OF_IMAGE.run(transaction, {"digest": digest})
    return None if row is None else _patient(row)


def key_of_image(transaction: Transaction, digest: str) -> tuple[PatientKey, str]:
    """The key of the patient of an image, and the UID of its study."""
    return image_key(_KEY_OF_IMAGE.run(transaction, {"digest": digest}))


def image_key(row: Any) -> tuple[PatientKey, str]:
    """The key and the UID in a row with the columns :data:`IMAGE_KEY`. Until it is read, the authority is unknown."""
    key = PatientKey(row.study_patient_id, None) if row.patient_id is None else key_of(row)
    return key, row.study_instance_uid


def in_study(transaction: Transaction, study_instance_uid: str) -> list[PatientRow]:
    """The patients of a study's images, in the order in which their first images came."""
    first = sa.func.min(instances.c.received_at)
    query = (
        sa.select(patients)
        .join(instances, instances.c.patient_number == _of.patient_number)
        .where(instances.c.study_instance_uid == study_instance_uid)
        .group_by(_of.patient_number)
        .order_by(first)
    )
    return [_patient(row) for row in transaction.execute(query)]


def keys_in_study(transaction: Transaction, study_instance_uid: str) -> list[PatientKey]:
    """The keys of a study's patients; the study's own ID while it is not read whose some of its images are."""
    keys = [one.key for one in in_study(transaction, study_instance_uid)]
    of = studies.c.study_instance_uid
    unread = sa.exists().where(instances.c.study_instance_uid == of, instances.c.patient_number.is_(None))
    bare = sa.select(studies.c.patient_id).where(of == study_instance_uid, unread)
    return keys + [PatientKey(one, None) for one in transaction.execute(bare).scalars()]


def earlier_names(transaction: Transaction, number: int) -> list[tuple[str, str]]:
    """Other names and birth dates that images of a patient had, the newest first."""
    of = patient_names.c
    is_last = sa.and_(of.patient_name == _of.patient_name, of.patient_birth_date == _of.patient_birth_date)
    query = (
        sa.select(of.patient_name, of.patient_birth_date)
        .join(patients, _of.patient_number == of.patient_number)
        .where(of.patient_number == number, ~is_last)
        .order_by(of.named_at.desc())
    )
    return [(row.patient_name, row.patient_birth_date) for row in transaction.execute(query)]


def _note_names(transaction: Transaction, last: PatientBefore, study: StudyRecord, at: datetime, now: datetime) -> None:
    number = last.patient_number
    latest = {name: str(getattr(last, name)) for name in _NAMES}
    names = {name: value or latest[name] for name, value in _names(study).items()}  # no value contradicts nothing
    different = [name for name in _NAMES if names[name] != latest[name] and _plain(names[name]) != _plain(latest[name])]
    if different:
        _add_name(transaction, number, names, at)
    if not different or at < last.named_at:
        if study.patient_name != latest["patient_name"]:
            of_study = studies.c.study_instance_uid == study.study_instance_uid
            _show(transaction, number, latest["patient_name"], of_study)
        return
    transaction.execute(sa.update(patients).where(_of.patient_number == number).values(**names, named_at=at))
    _show(transaction, number, names["patient_name"])
    if changed := [name.removeprefix("patient_") for name in different if latest[name]]:
        study_uid, detail = study.study_instance_uid, {"changed": changed}
        records.add(transaction, AuditEntry(AuditEvent.PATIENT_CHANGED, now, study=study_uid, detail=detail))


def _show(transaction: Transaction, number: int, name: str, *which: sa.ColumnElement[bool]) -> None:
    """Studies of a patient show the last name."""
    own = studies.c.patient_number == number
    transaction.execute(sa.update(studies).where(own, *which).values(patient_name=name))


def _add_name(transaction: Transaction, number: int, names: Mapping[str, str], at: datetime) -> None:
    insert_or_ignore(transaction, patient_names, {"patient_number": number, **names, "named_at": at})


def _contradicts(transaction: Transaction, number: int, study: StudyRecord) -> bool:
    """Whether the image is the first of its patient in the study, after images of another patient.

    An image without Patient ID, or with an ID of an unknown authority, names no other patient.
    """
    parameters = {
        "number": number,
        "study": study.study_instance_uid,
        "id": study.patient_id,
        "authority": study.authority or "",
        "known": study.authority is not None,
    }
    rows = _OTHERS.run(transaction, parameters)
    return bool(study.patient_id) and rows.others > 0 and rows.own <= 1


def _open_conflict(transaction: Transaction, study: str, now: datetime) -> None:
    values = {"study_instance_uid": study, "found_at": now, "resolved_by": "", "comment": ""}
    if not insert_or_ignore(transaction, patient_conflicts, values):
        again = sa.update(patient_conflicts).where(patient_conflicts.c.study_instance_uid == study)
        transaction.execute(again.values(found_at=now, resolved_at=None, resolved_by="", comment=""))
    detail = {"state": "found"}
    records.add(transaction, AuditEntry(AuditEvent.PATIENTS_CONFLICT, now, study=study, detail=detail))


def end_conflicts(transaction: Transaction, study_uids: Sequence[str]) -> None:
    """Forget the conflicts of studies whose images are of one patient by now."""
    of = patient_conflicts.c.study_instance_uid
    for study in transaction.execute(sa.select(of).where(of.in_(study_uids))).scalars().all():
        if len([one for one in in_study(transaction, study) if one.key.patient_id]) <= 1:
            transaction.execute(sa.delete(patient_conflicts).where(of == study))


_NAMES = ("patient_name", "patient_birth_date")


def _names(study: StudyRecord) -> dict[str, str]:
    return {"patient_name": study.patient_name, "patient_birth_date": study.patient_birth_date}


def _plain(value: str) -> str:
    """Without what senders write differently: case, spaces, and empty components at the end of a name."""
    return "^".join(" ".join(part.split()) for part in value.split("^")).rstrip("^ ").casefold()


def _patient(row: Any) -> PatientRow:
    return PatientRow(row.patient_number, key_of(row), row.patient_name, row.patient_birth_date)


def _same(name: str) -> sa.ColumnElement[bool]:
    return _of[name] == sa.bindparam(name)


_FIND = DriverStatement(
    lambda _dialect: (
        sa.select(
            _of.patient_number,
            _of.patient_name,
            _of.patient_birth_date,
            _of.named_at,
            studies.c.patient_number.label("study_number"),
            studies.c.patient_id.label("study_patient_id"),
        )
        .select_from(patients.outerjoin(studies, studies.c.study_instance_uid == sa.bindparam("study")))
        .where(*(_same(name) for name in ("patient_id", "authority", "is_known", "scope")))
    )
)
_INSERT = DriverStatement(lambda dialect: insert_unless_taken(dialect, patients))
_TAKE = DriverStatement(
    lambda _dialect: (
        sa.update(studies)
        .where(studies.c.study_instance_uid == sa.bindparam("study"), studies.c.patient_number.is_(None))
        .values(patient_number=sa.bindparam("number"))
    )
)
_OF_IMAGE = DriverStatement(
    lambda _dialect: (
        sa.select(patients)
        .join(instances, instances.c.patient_number == _of.patient_number)
        .where(instances.c.digest == sa.bindparam("digest"))
    )
)
_KEY_OF_IMAGE = DriverStatement(
    lambda _dialect: sa.select(*IMAGE_KEY).select_from(IMAGES).where(instances.c.digest == sa.bindparam("digest"))
)


def _count_others(_dialect: str) -> sa.Select[int, int]:
    own = instances.c.patient_number == sa.bindparam("number")
    same_id = _of.patient_id == sa.bindparam("id")
    both_known = sa.and_(_of.is_known, sa.bindparam("known", type_=sa.Boolean))
    other_authority = sa.and_(same_id, both_known, _of.authority != sa.bindparam("authority"))
    other = sa.and_(_of.patient_id != "", sa.or_(~same_id, other_authority))
    return (
        sa.select(sa.func.count(sa.case((other, 1))).label("others"), sa.func.count(sa.case((own, 1))).label("own"))
        .select_from(instances.join(patients, _of.patient_number == instances.c.patient_number))
        .where(instances.c.study_instance_uid == sa.bindparam("study"))
    )


_OTHERS = DriverStatement(_count_others)
