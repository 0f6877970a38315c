"""Studies with images of several patients: listed, and resolved by people, on record. The images stay as they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.patient import PatientConflict, StudyPatient
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.runtime.people import patients
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.site_records import study_notes
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Transaction

_of = t.patient_conflicts.c


def of_study(transaction: Transaction, study_instance_uid: str) -> PatientConflict | None:
    """The conflict of a study, resolved or not; None if its images are of one patient."""
    row = transaction.execute(
        sa.select(t.patient_conflicts).where(_of.study_instance_uid == study_instance_uid)
    ).one_or_none()
    return None if row is None else _conflict(transaction, row)


def unresolved(transaction: Transaction, *, limit: int) -> list[PatientConflict]:
    """Conflicts that wait for a person, newest first."""
    query = sa.select(t.patient_conflicts).where(_of.resolved_at.is_(None)).order_by(_of.found_at.desc()).limit(limit)
    return [_conflict(transaction, row) for row in transaction.execute(query)]


def resolve(
    transaction: Transaction, study_instance_uid: str, actor: str, comment: str, now: datetime
) -> PatientConflict:
    """A person has looked; an image of yet another patient opens the conflict again.

    Raises
    ------
    NotFoundError
        The study has images of one patient only.
    ConflictError
        The comment is missing, or somebody resolved it before.
    """
    if not comment.strip():
        raise ConflictError("Say what was found out; it is kept with the study.")
    if of_study(transaction, study_instance_uid) is None:
        raise NotFoundError(
            "The study {study_instance_uid} has no images of several patients.", study_instance_uid=study_instance_uid
        )
    change = (
        sa.update(t.patient_conflicts)
        .where(_of.study_instance_uid == study_instance_uid, _of.resolved_at.is_(None))
        .values(resolved_at=now, resolved_by=actor, comment=comment.strip())
    )
    if not transaction.execute(change).rowcount:
        raise ConflictError("The conflict of patients was resolved before.")
    study_notes.note(transaction, study_instance_uid, "settled", actor, comment.strip(), now)
    entry = AuditEntry(AuditEvent.PATIENTS_CONFLICT, now, actor, study=study_instance_uid, detail={"state": "resolved"})
    records.add(transaction, entry)
    conflict = of_study(transaction, study_instance_uid)
    if conflict is None:
        raise NotFoundError(
            "The study {study_instance_uid} has no images of several patients.", study_instance_uid=study_instance_uid
        )
    return conflict


def _conflict(transaction: Transaction, row: Any) -> PatientConflict:
    count = sa.select(t.instances.c.patient_number, sa.func.count().label("many")).where(
        t.instances.c.study_instance_uid == row.study_instance_uid
    )
    rows = transaction.execute(count.group_by(t.instances.c.patient_number))
    images = {one.patient_number: one.many for one in rows}
    return PatientConflict(
        row.study_instance_uid,
        row.found_at,
        tuple(
            StudyPatient(one.key.patient_id, one.key.authority, one.patient_name, images[one.patient_number])
            for one in patients.in_study(transaction, row.study_instance_uid)
        ),
        row.resolved_at,
        row.resolved_by,
        row.comment,
    )
