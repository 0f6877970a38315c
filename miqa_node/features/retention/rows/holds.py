"""Legal holds: nothing of a held study or patient is removed until a person clears the hold."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.retention import HoldExtent, LegalHold
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.retention.rows import patient_choice
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.patients import pseudonyms
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import instances, legal_holds, studies

ONE_OR_THE_OTHER = "A legal hold is for a study or for a patient, and has a reason."

_of = legal_holds.c


def put(
    transaction: Transaction,
    study_instance_uid: str,
    patient_id: str,
    reason: str,
    actor: str,
    now: datetime,
    *,
    authority: str | None = None,
) -> LegalHold:
    """Hold one study, or all images of a patient, including later ones.

    Without ``authority`` it is that of the only patient with the ID. If there is none yet, everybody with it is held.

    Raises
    ------
    ConflictError
        Both or neither are given, the reason is missing, or there is already a hold; or several patients have the ID
        and no authority is given.
    NotFoundError
        Nothing of the study was received.
    """
    if not reason.strip():
        raise ConflictError(ONE_OR_THE_OTHER)
    authority = _whose(transaction, study_instance_uid, patient_id, authority)
    same = sa.and_(
        _of.study_instance_uid == study_instance_uid,
        _of.patient_id == patient_id,
        _of.authority.is_not_distinct_from(authority),
        _of.cleared_at.is_(None),
    )
    if transaction.execute(sa.select(sa.exists().where(same))).scalar_one():
        raise ConflictError("It is on legal hold already.")
    values = {
        "study_instance_uid": study_instance_uid,
        "patient_id": patient_id,
        "authority": authority,
        "reason": reason.strip(),
        "set_by": actor,
        "set_at": now,
        "cleared_by": "",
        "clearing_reason": "",
    }
    number = transaction.execute(sa.insert(legal_holds).values(values).returning(_of.hold_id)).scalar_one()
    hold = load(transaction, number)
    _audit(transaction, hold, "set", actor, now)
    return hold


def extent(
    transaction: Transaction, study_instance_uid: str, patient_id: str, *, authority: str | None = None
) -> HoldExtent:
    """What :func:`put` would hold; it raises the same errors."""
    authority = _whose(transaction, study_instance_uid, patient_id, authority)
    if study_instance_uid:
        images = sa.select(sa.func.count()).where(instances.c.study_instance_uid == study_instance_uid)
        return HoldExtent(1, transaction.execute(images).scalar_one())
    everybody = patient_choice.named(transaction, patient_id)
    chosen = [one for one in everybody if authority is None or one.key.authority == authority]
    return HoldExtent(sum(one.studies for one in chosen), sum(one.images for one in chosen))


def _whose(transaction: Transaction, study_instance_uid: str, patient_id: str, authority: str | None) -> str | None:
    """The authority of a hold, None for a study or for everybody with the ID; raises as :func:`put` does."""
    if bool(study_instance_uid) == bool(patient_id):
        raise ConflictError(ONE_OR_THE_OTHER)
    if study_instance_uid:
        has_study = sa.exists().where(studies.c.study_instance_uid == study_instance_uid)
        if not transaction.execute(sa.select(has_study)).scalar_one():
            raise NotFoundError(
                "Nothing was received of the study {study_instance_uid}.", study_instance_uid=study_instance_uid
            )
        return authority
    return _only_authority(transaction, patient_id) if authority is None else authority


def holds_of(patient_id: str, authority: str | None) -> sa.ColumnElement[bool]:
    """Whether a hold is about a patient. One without authority, as earlier versions made them, is about all."""
    covers = (
        _of.authority.is_(None) if authority is None else sa.or_(_of.authority.is_(None), _of.authority == authority)
    )
    return sa.and_(_of.patient_id == patient_id, _of.patient_id != "", covers)


def _only_authority(transaction: Transaction, patient_id: str) -> str | None:
    try:
        return patient_choice.choose(transaction, patient_id, with_unknown=True)[0].key.authority
    except NotFoundError:  # nobody yet
        return None


def clear(transaction: Transaction, hold_id: int, reason: str, actor: str, now: datetime) -> LegalHold:
    """End a hold; ConflictError if it has ended or there is no reason, NotFoundError if it does not exist."""
    if not reason.strip():
        raise ConflictError("Give the reason why the legal hold is cleared.")
    hold = load(transaction, hold_id)
    cleared = transaction.execute(
        sa.update(legal_holds)
        .where(_of.hold_id == hold_id, _of.cleared_at.is_(None))
        .values(cleared_by=actor, cleared_at=now, clearing_reason=reason.strip())
    )
    if not cleared.rowcount:
        raise ConflictError("The legal hold {hold_id} was cleared before.", hold_id=hold.hold_id)
    _audit(transaction, hold, "cleared", actor, now)
    return load(transaction, hold_id)


def load(transaction: Transaction, hold_id: int) -> LegalHold:
    """One hold; NotFoundError if it does not exist."""
    row = transaction.execute(sa.select(legal_holds).where(_of.hold_id == hold_id)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("There is no legal hold {hold_id}.", hold_id=hold_id)
    return LegalHold(**row)


def select(transaction: Transaction, *, cleared: bool = False) -> list[LegalHold]:
    """Holds in force, the newest first; with ``cleared`` also those that ended."""
    query = sa.select(legal_holds).order_by(_of.hold_id.desc())
    query = query if cleared else query.where(_of.cleared_at.is_(None))
    return [LegalHold(**row) for row in transaction.execute(query).mappings()]


def _audit(transaction: Transaction, hold: LegalHold, action: str, actor: str, now: datetime) -> None:
    text = PatientKey(hold.patient_id, hold.authority).text()
    patient = pseudonyms(transaction, [text])[text] if text else ""
    study, detail = hold.study_instance_uid, {"hold": hold.hold_id, "action": action}
    records.add(
        transaction, AuditEntry(AuditEvent.HOLD_CHANGED, now, actor, patient=patient, study=study, detail=detail)
    )
