"""Erasure of a patient: deletes files and identification, keeps counts, and records what was erased and why."""

from __future__ import annotations

import hashlib
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
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.units.rows import copies
from miqa_node.stages.units.rows.removal import artifact_keys, delete_marked

BATCH = 200


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
            "what": "erasure of a patient",
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
    return _salted(str(document.get("salt")), PatientKey(patient_id, of_proof)) == document.get("patient_sha256")


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
        Nothing was received from the patient.
    ConflictError
        There is no reason, a legal hold forbids it, an image still waits for its verdict, or the ID is ambiguous.
    """
    if not reason.strip():
        raise ConflictError("Give the reason of the erasure.")
    chosen = patient_choice.choose(transaction, patient_id, authority, with_unknown=with_unknown)
    key = chosen[0].key
    instances = t.instances.c
    own = instances.patient_number.in_([one.patient_number for one in chosen])
    images = sa.select(instances.digest).where(own)
    studies = list(transaction.execute(sa.select(instances.study_instance_uid).where(own).distinct()).scalars())
    _refuse(transaction, chosen, studies, images)
    digests = list(transaction.execute(images.order_by(instances.digest)).scalars())
    digests = sorted([*digests, *copies.digests(transaction, digests)])
    made = sa.select(t.results.c.sop_instance_uid).where(t.results.c.digest.in_(images))
    results = list(transaction.execute(made.order_by(t.results.c.sop_instance_uid)).scalars())
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
    anonymising.anonymise(transaction, chosen, images, alone, shared)
    for one in chosen:
        if one.key.text() != key.text():
            patients.forget(transaction, one.key.text(), [], [])
    patients.forget_bare(transaction, patient_id)
    salt = secrets.token_hex(16)
    values = {
        "at": now,
        "actor": actor,
        "reason": reason.strip(),
        "salt": salt,
        "patient_sha256": _salted(salt, key),
        "authority": key.authority,
        "studies": len(studies),
        "images": digests,
        "results": results,
    }
    number = transaction.execute(sa.insert(erasures).values(values).returning(erasures.c.erasure_id)).scalar_one()
    detail = {"erasure": number, "studies": len(studies), "images": len(digests)}
    records.add(transaction, AuditEntry(AuditEvent.ERASED, now, actor, patient=pseudonym, detail=detail))
    return load(transaction, number)


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


def _refuse(
    transaction: Transaction,
    chosen: Sequence[NamedPatient],
    studies: Sequence[str],
    images: sa.Select[tuple[str]],
) -> None:
    of, instances = t.legal_holds.c, t.instances.c
    of_patients = (holds.holds_of(one.key.patient_id, one.key.authority) for one in chosen)
    held = sa.or_(of.study_instance_uid.in_(studies), *of_patients)
    if transaction.execute(sa.select(sa.exists().where(of.cleared_at.is_(None), held))).scalar_one():
        raise ConflictError("The patient or a study of the patient is on legal hold; clear the hold first.")
    again = sa.exists().where(t.reassessments.c.digest == instances.digest, t.reassessments.c.concluded_at.is_(None))
    undecided = (
        sa.select(sa.func.count())
        .select_from(t.instances.outerjoin(t.dispositions, t.dispositions.c.digest == instances.digest))
        .where(instances.digest.in_(images), sa.or_(t.dispositions.c.digest.is_(None), again))
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


def _salted(salt: str, patient: PatientKey) -> str:
    return hashlib.sha256(f"{salt}:{patient.text()}".encode()).hexdigest()


def _record(row: Any) -> ErasureRecord:
    values = dict(row)
    return ErasureRecord(**{**values, "images": tuple(values["images"]), "results": tuple(values["results"])})
