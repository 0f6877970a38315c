"""Erasure of a patient: deletes files and identification, keeps counts, and records what was erased and why."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.retention.rows import anonymising, holds, patient_choice
from miqa_node.features.retention.rows.erasing import overwrite
from miqa_node.features.retention.rows.patient_choice import NamedPatient
from miqa_node.features.retention.tables import erasures
from miqa_node.runtime.people.audit import patients, records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.people.erased import salted
from miqa_node.runtime.people.patients import KEY as PATIENT_KEY
from miqa_node.runtime.people.patients import key_of
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Database, Transaction, begin_writing
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.tables.column_marks import MONTH, OBJECTS
from miqa_node.stages.deliver.rows.stated import IS_RESULT
from miqa_node.stages.units.rows import copies
from miqa_node.stages.units.rows.removal import artifact_keys, delete_marked

BATCH = 200
LOCK = 7205190
"""Key of PostgreSQL's advisory lock."""
PROOF = "erasure of a patient"
"""What a proof is of."""


@dataclass(frozen=True, slots=True)
class ErasureRecord:
    """One erasure. The patient appears only as a salted digest, which anyone who knows the Patient ID can check.

    ``authority`` assigned that ID; None if nobody knew which did, as in earlier versions. ``images`` has the digests of
    the images and of their copies, ``results`` the UIDs of the objects made from them.
    """

    erasure_id: int
    at: datetime
    actor: str
    reason: str
    salt: str
    patient_sha256: str
    studies: int
    images: tuple[str, ...]
    results: tuple[str, ...]
    authority: str | None = None

    def document(self, node: str) -> dict[str, Any]:
        """The document of the proof, ready for signing."""
        return {
            "what": PROOF,
            "node": node,
            "erasure": self.erasure_id,
            "at": self.at.isoformat(),
            "actor": self.actor,
            "reason": self.reason,
            "salt": self.salt,
            "patient_sha256": self.patient_sha256,
            **({} if self.authority is None else {"authority": self.authority}),
            "studies": self.studies,
            "images": list(self.images),
            "results": list(self.results),
        }


def names(document: Mapping[str, Any], patient_id: str, authority: str | None = None) -> bool:
    """Whether the document of a proof concerns a patient. One of an earlier version names no authority."""
    of_proof = document.get("authority")
    if authority is not None and of_proof not in (None, authority):
        return False
    return salted(str(document.get("salt")), PatientKey(patient_id, of_proof)) == document.get("patient_sha256")


def erase(
    transaction: Transaction,
    patient_id: str,
    reason: str,
    actor: str,
    now: datetime,
    *,
    authority: str | None = None,
    with_unknown: bool = False,
) -> ErasureRecord:
    """Mark all files of a patient for deletion, remove the identification from all rows, and record that.

    :func:`delete_files` then deletes the files; retention does so if the process ends before. For ``authority`` and
    ``with_unknown`` see ``choose``. Images of others in the same study stay.

    Raises
    ------
    NotFoundError
        Nothing was received from the patient. One who was erased is erased once more (:func:`repeat`).
    ConflictError
        There is no reason, a legal hold forbids it, an image still waits for its verdict, or the ID is ambiguous.
    """
    if not reason.strip():
        raise ConflictError("Give the reason of the erasure.")
    begin_writing(transaction)
    try:
        chosen = patient_choice.choose(transaction, patient_id, authority, with_unknown=with_unknown)
    except NotFoundError:
        done = [one for one in select(transaction) if names(one.document(""), patient_id, authority)]
        if not done:
            raise
        return repeat(transaction, done[0], actor, now)
    _refuse(transaction, chosen)
    reach = _erase(transaction, chosen, now)
    salt = secrets.token_hex(16)
    values = {
        "at": now,
        "actor": actor,
        "reason": reason.strip(),
        "salt": salt,
        "patient_sha256": salted(salt, chosen[0].key),
        "authority": chosen[0].key.authority,
        "studies": reach.studies,
        "images": reach.images,
        "results": reach.results,
    }
    number = transaction.execute(sa.insert(erasures).values(values).returning(erasures.c.erasure_id)).scalar_one()
    _record_it(transaction, number, reach, actor, now)
    return load(transaction, number)


def repeat(transaction: Transaction, record: ErasureRecord, actor: str, now: datetime) -> ErasureRecord:
    """Erase once more what an erasure reached: rows that came back behind it, or that it did not know how to empty."""
    if chosen := _patients_of(transaction, record):
        _refuse(transaction, chosen)
        _record_it(transaction, record.erasure_id, _erase(transaction, chosen, now), actor, now)
    return record


def restore(transaction: Transaction, record: ErasureRecord, now: datetime) -> ErasureRecord:
    """Erase once more in a database of before the erasure, and write down that it was; a hold of then is over."""
    if chosen := _patients_of(transaction, record):
        _erase(transaction, chosen, now)
    is_taken = sa.exists().where(erasures.c.erasure_id == record.erasure_id)
    values = {name: getattr(record, name) for name in erasures.c.keys()} | {  # noqa: SIM118 - columns, not their names
        "images": list(record.images),
        "results": list(record.results),
    }
    if transaction.execute(sa.select(is_taken)).scalar_one():
        del values["erasure_id"]
    number = transaction.execute(sa.insert(erasures).values(values).returning(erasures.c.erasure_id)).scalar_one()
    detail = {"erasure": number, "restored": True}
    records.add(transaction, AuditEntry(AuditEvent.ERASED, now, record.actor, detail=detail))
    return load(transaction, number)


@dataclass(frozen=True, slots=True)
class _Reach:
    """What was erased; ``pseudonym`` is the patient's in the audit trail."""

    studies: int
    images: list[str]
    results: list[str]
    pseudonym: str


def _erase(transaction: Transaction, chosen: Sequence[NamedPatient], now: datetime) -> _Reach:
    key = chosen[0].key
    instances = t.instances.c
    own = instances.patient_number.in_([one.patient_number for one in chosen])
    images = sa.select(instances.digest).where(own)
    studies = list(transaction.execute(sa.select(instances.study_instance_uid).where(own).distinct()).scalars())
    digests = list(transaction.execute(images.order_by(instances.digest)).scalars())
    digests = sorted([*digests, *copies.digests(transaction, digests)])
    made = sa.select(t.results.c.sop_instance_uid).where(t.results.c.digest.in_(images))
    results = list(transaction.execute(made.order_by(t.results.c.sop_instance_uid)).scalars())
    stated = t.deliveries.join(t.events, t.events.c.event_id == t.deliveries.c.event_id)
    messages = sa.select(t.events.c.event_id).select_from(stated).where(t.events.c.digest.in_(images), IS_RESULT)
    # One that was tried may have arrived: its answer was lost.
    results += transaction.execute(messages.where(t.deliveries.c.attempts > 0).order_by(t.events.c.event_id)).scalars()
    at = sa.bindparam(None, now, t.UtcDateTime())
    transaction.execute(
        sa.update(t.instances)
        .where(own)
        .values(
            removed_at=sa.func.coalesce(instances.removed_at, at),
            removal_cause=RemovalCause.ERASURE.value,
            artifacts_removed_at=sa.func.coalesce(instances.artifacts_removed_at, at),
        )
    )
    shared = anonymising.shared_studies(transaction, studies, chosen)
    alone = [study for study in studies if study not in shared]
    pseudonym = patients.forget(transaction, key.text(), alone, digests)
    anonymising.anonymise(transaction, chosen, images, alone, shared, now)
    for one in chosen:
        if one.key.text() != key.text():
            patients.forget(transaction, one.key.text(), [], [])
    patients.forget_bare(transaction, key.patient_id)
    return _Reach(len(studies), digests, results, pseudonym)


def _record_it(transaction: Transaction, number: int, reach: _Reach, actor: str, now: datetime) -> None:
    detail = {"erasure": number, "studies": reach.studies, "images": len(reach.images)}
    records.add(transaction, AuditEntry(AuditEvent.ERASED, now, actor, patient=reach.pseudonym, detail=detail))


def _patients_of(transaction: Transaction, record: ErasureRecord) -> list[NamedPatient]:
    """Whose the images of an erasure are; the one with an ID first, which none has after an erasure."""
    of, image = t.patients.c, t.instances.c
    numbers: set[int] = set()
    for some in batches(record.images, BATCH):
        query = sa.select(image.patient_number).where(image.digest.in_(some), image.patient_number.is_not(None))
        numbers.update(transaction.execute(query.distinct()).scalars())
    query = sa.select(of.patient_number, *PATIENT_KEY).where(of.patient_number.in_(numbers))
    rows = transaction.execute(query.order_by(of.is_known.desc(), of.patient_number)).all()
    elsewhere = patient_choice.kept_elsewhere(transaction)
    own = [one for one in elsewhere if names(record.document(""), one.key.patient_id, one.key.authority)]
    return [NamedPatient(row.patient_number, key_of(row), 0, 0) for row in rows] + own


def delete_files(database: Database, objects: ObjectStore, record: ErasureRecord, now: datetime) -> None:
    """Delete the marked files and verify that nothing of the record remains; ConflictError otherwise.

    What the rows said of the patient is overwritten in the database's own files, too.
    """
    while True:
        with database.begin() as transaction:
            remainder = _undeleted(transaction, record)
        if not remainder:
            break
        delete_marked(database, objects, now, BATCH)
    with database.begin() as transaction:
        digests = [InstanceDigest(one) for one in record.images]
        keys = [original_key(one) for one in digests]
        for some in batches(digests, BATCH):
            keys += artifact_keys(transaction, some)
    _delete_months(database, objects)
    there = [key for key in keys if objects.exists(key)]
    if there:
        raise ConflictError(
            Phrase.of_number(
                "{count} file of the patient is there again: it was sent after the erasure.",
                "{count} files of the patient are there again: they were sent after the erasure.",
                len(there),
            )
        )
    overwrite(database.engine, t.all_tables())


def _delete_months(database: Database, objects: ObjectStore) -> None:
    """Delete the objects of months whose rows went."""
    for table in t.all_tables().sorted_tables:
        if MONTH in table.info:
            with database.begin() as transaction:
                months = list(transaction.execute(sa.select(table.c[table.info[MONTH]])).scalars())
            stored = [one.key for one in objects.entries(f"{table.info[OBJECTS]}/")]
            objects.delete([key for key in stored if not any(month in key for month in months)])


def lock(transaction: Transaction) -> None:
    """Let one process at a time look which erasures there are."""
    begin_writing(transaction)
    if transaction.dialect.name != "sqlite":
        transaction.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))


def load(transaction: Transaction, erasure_id: int) -> ErasureRecord:
    """One erasure; NotFoundError if it does not exist."""
    row = transaction.execute(sa.select(erasures).where(erasures.c.erasure_id == erasure_id)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("There is no erasure {erasure_id}.", erasure_id=erasure_id)
    return _record(row)


def select(transaction: Transaction) -> list[ErasureRecord]:
    """All erasures, the newest first."""
    query = sa.select(erasures).order_by(erasures.c.erasure_id.desc())
    return [_record(row) for row in transaction.execute(query).mappings()]


def _refuse(transaction: Transaction, chosen: Sequence[NamedPatient]) -> None:
    of, instances = t.legal_holds.c, t.instances.c
    own = instances.patient_number.in_([one.patient_number for one in chosen])
    studies = sa.select(instances.study_instance_uid).where(own)
    of_patients = (holds.holds_of(one.key.patient_id, one.key.authority) for one in chosen)
    held = sa.or_(of.study_instance_uid.in_(studies), *of_patients)
    if transaction.execute(sa.select(sa.exists().where(of.cleared_at.is_(None), held))).scalar_one():
        raise ConflictError("The patient or a study of the patient is on legal hold; clear the hold first.")
    again = sa.exists().where(t.reassessments.c.digest == instances.digest, t.reassessments.c.concluded_at.is_(None))
    undecided = (
        sa.select(sa.func.count())
        .select_from(t.instances.outerjoin(t.dispositions, t.dispositions.c.digest == instances.digest))
        .where(own, sa.or_(t.dispositions.c.digest.is_(None), again))
    )
    if waiting := transaction.execute(undecided).scalar_one():
        raise ConflictError(
            Phrase.of_number(
                "{count} image of the patient waits for its verdict; try again in a minute.",
                "{count} images of the patient wait for their verdict; try again in a minute.",
                waiting,
            )
        )


def _undeleted(transaction: Transaction, record: ErasureRecord) -> bool:
    of = t.instances.c
    for images in batches(record.images, BATCH):
        some = of.digest.in_(images)
        originals = sa.and_(of.removed_at.is_not(None), of.deleted_at.is_(None))
        artifacts = sa.and_(of.artifacts_removed_at.is_not(None), of.artifacts_deleted_at.is_(None))
        if transaction.execute(sa.select(sa.exists().where(some, sa.or_(originals, artifacts)))).scalar_one():
            return True
    return False


def _record(row: Any) -> ErasureRecord:
    values = dict(row)
    return ErasureRecord(**{**values, "images": tuple(values["images"]), "results": tuple(values["results"])})
