"""Erasure of a patient: deletes files and identification, keeps counts, and records what was erased and why."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.domain.audit import AuditEvent
from miqa_node.domain.delivery import DeliveryState
from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.ports import ObjectStore
from miqa_node.domain.retention import RemovalCause
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.imaging.search_keys import COLUMNS
from miqa_node.store import tables as t
from miqa_node.store.artifacts import original_key
from miqa_node.store.audit import patients, records
from miqa_node.store.audit.records import AuditEntry
from miqa_node.store.database import Database, Transaction
from miqa_node.store.retention import artifact_keys, delete_marked

BATCH = 200
_IDENTITY = ("accession_number", "patient_id", "patient_name", "study_date", "study_description")


@dataclass(frozen=True, slots=True)
class ErasureRecord:
    """One erasure. The patient appears only as a salted digest, which anyone who knows the Patient ID can check.

    ``images`` has the digests of the images, ``results`` the UIDs of the objects made from them.
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
            "studies": self.studies,
            "images": list(self.images),
            "results": list(self.results),
        }


def names(document: Mapping[str, Any], patient_id: str) -> bool:
    """Whether the document of a proof concerns a patient."""
    return _salted(str(document.get("salt")), patient_id) == document.get("patient_sha256")


def studies_of(transaction: Transaction, patient_id: str) -> list[str]:
    """Study Instance UIDs of a patient; NotFoundError if there are none."""
    query = sa.select(t.studies.c.study_instance_uid).where(t.studies.c.patient_id == patient_id)
    uids = list(transaction.execute(query).scalars()) if patient_id else []
    if not uids:
        raise NotFoundError("Nothing was received of a patient with this ID.")
    return uids


def erase(transaction: Transaction, patient_id: str, reason: str, actor: str, now: datetime) -> ErasureRecord:
    """Mark all files of a patient for deletion, remove the identification from all rows, and record that.

    :func:`delete_files` then deletes the files; retention does so if the process ends before.

    Raises
    ------
    NotFoundError
        Nothing was received from the patient.
    ConflictError
        There is no reason, a legal hold forbids it, or an image still waits for its verdict.
    """
    if not reason.strip():
        raise ConflictError("Give the reason of the erasure.")
    studies = studies_of(transaction, patient_id)
    instances = t.instances.c
    own = instances.study_instance_uid.in_(studies)
    _refuse(transaction, studies, patient_id)
    digests = list(transaction.execute(sa.select(instances.digest).where(own).order_by(instances.digest)).scalars())
    made = sa.select(t.results.c.sop_instance_uid).where(t.results.c.digest.in_(_images_of(studies)))
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
    pseudonym = patients.forget(transaction, patient_id, studies)
    _anonymise(transaction, studies)
    salt = secrets.token_hex(16)
    values = {
        "at": now,
        "actor": actor,
        "reason": reason.strip(),
        "salt": salt,
        "patient_sha256": _salted(salt, patient_id),
        "studies": len(studies),
        "images": digests,
        "results": results,
    }
    number = transaction.execute(sa.insert(t.erasures).values(values).returning(t.erasures.c.erasure_id)).scalar_one()
    detail = {"erasure": number, "studies": len(studies), "images": len(digests)}
    records.add(transaction, AuditEntry(AuditEvent.ERASED, now, actor, patient=pseudonym, detail=detail))
    return load(transaction, number)


def delete_files(database: Database, objects: ObjectStore, record: ErasureRecord, now: datetime) -> None:
    """Delete the marked files and verify that nothing of the record remains; ConflictError otherwise."""
    while True:
        with database.begin() as transaction:
            remainder = _undeleted(transaction, record)
        if not remainder:
            break
        delete_marked(database, objects, now, BATCH)
    with database.begin() as transaction:
        digests = [InstanceDigest(one) for one in record.images]
        keys = [original_key(one) for one in digests]
        for start in range(0, len(digests), BATCH):
            keys += artifact_keys(transaction, digests[start : start + BATCH])
    there = [key for key in keys if objects.exists(key)]
    if there:
        raise ConflictError(f"{len(there)} files of the patient are there again: images were sent after the erasure.")


def load(transaction: Transaction, erasure_id: int) -> ErasureRecord:
    """One erasure; NotFoundError if it does not exist."""
    row = (
        transaction.execute(sa.select(t.erasures).where(t.erasures.c.erasure_id == erasure_id)).mappings().one_or_none()
    )
    if row is None:
        raise NotFoundError(f"There is no erasure {erasure_id}.")
    return _record(row)


def select(transaction: Transaction) -> list[ErasureRecord]:
    """All erasures, the newest first."""
    query = sa.select(t.erasures).order_by(t.erasures.c.erasure_id.desc())
    return [_record(row) for row in transaction.execute(query).mappings()]


def _refuse(transaction: Transaction, studies: Sequence[str], patient_id: str) -> None:
    holds, instances = t.legal_holds.c, t.instances.c
    held = sa.or_(holds.study_instance_uid.in_(studies), holds.patient_id == patient_id)
    if transaction.execute(sa.select(sa.exists().where(holds.cleared_at.is_(None), held))).scalar_one():
        raise ConflictError("The patient or a study of the patient is on legal hold; clear the hold first.")
    again = sa.exists().where(t.reassessments.c.digest == instances.digest, t.reassessments.c.concluded_at.is_(None))
    undecided = (
        sa.select(sa.func.count())
        .select_from(t.instances.outerjoin(t.dispositions, t.dispositions.c.digest == instances.digest))
        .where(instances.study_instance_uid.in_(studies), sa.or_(t.dispositions.c.digest.is_(None), again))
    )
    if waiting := transaction.execute(undecided).scalar_one():
        raise ConflictError(f"{waiting} images of the patient wait for their verdict; try again in a minute.")


def _images_of(studies: Sequence[str]) -> sa.Select[tuple[str]]:
    return sa.select(t.instances.c.digest).where(t.instances.c.study_instance_uid.in_(studies))


def _anonymise(transaction: Transaction, studies: Sequence[str]) -> None:
    """Remove identification, free text and links between a person's images from the rows; cancel waiting deliveries."""
    images = _images_of(studies)
    made = sa.select(t.results.c.sop_instance_uid).where(t.results.c.digest.in_(images))
    sent = sa.select(t.deliveries.c.delivery_id).where(t.deliveries.c.sop_instance_uid.in_(made))
    waiting = t.deliveries.c.state.not_in([DeliveryState.SENT.value, DeliveryState.COMMITTED.value])
    cancelled = {"state": DeliveryState.CANCELLED.value, "lease_until": None}
    stranger = secrets.token_hex(10)  # the person's images still count as those of one person
    worklist, events = t.worklist.c.study_instance_uid, t.worklist_events.c.study_instance_uid
    for change in (
        sa.update(t.deliveries).where(t.deliveries.c.delivery_id.in_(sent), waiting).values(cancelled),
        sa.update(t.deliveries).where(t.deliveries.c.delivery_id.in_(sent)).values(commit_at=None),
        sa.update(t.delivery_events).where(t.delivery_events.c.delivery_id.in_(sent)).values(comment=""),
        sa.update(t.studies).where(t.studies.c.study_instance_uid.in_(studies)).values(dict.fromkeys(_IDENTITY, "")),
        sa.update(t.results).where(t.results.c.digest.in_(images)).values(dict.fromkeys(COLUMNS, "")),
        sa.update(t.source_headers).where(t.source_headers.c.digest.in_(images)).values(dict.fromkeys(COLUMNS, "")),
        sa.update(t.acquisitions).where(t.acquisitions.c.digest.in_(images)).values(patient_key=stranger),
        sa.update(t.acquisition_findings)
        .where(t.acquisition_findings.c.digest.in_(images))
        .values(patient_key=stranger),
        sa.update(t.worklist).where(worklist.in_(studies)).values(comment=""),
        sa.update(t.reassessments).where(t.reassessments.c.digest.in_(images)).values(comment=""),
        sa.update(t.worklist_events).where(events.in_(studies)).values(comment=""),
        sa.update(t.decisions).where(t.decisions.c.study_instance_uid.in_(studies)).values(comment=""),
    ):
        transaction.execute(change)


def _undeleted(transaction: Transaction, record: ErasureRecord) -> bool:
    of = t.instances.c
    for start in range(0, len(record.images), BATCH):
        some = of.digest.in_(record.images[start : start + BATCH])
        originals = sa.and_(of.removed_at.is_not(None), of.deleted_at.is_(None))
        artifacts = sa.and_(of.artifacts_removed_at.is_not(None), of.artifacts_deleted_at.is_(None))
        if transaction.execute(sa.select(sa.exists().where(some, sa.or_(originals, artifacts)))).scalar_one():
            return True
    return False


def _salted(salt: str, patient_id: str) -> str:
    return hashlib.sha256(f"{salt}:{patient_id}".encode()).hexdigest()


def _record(row: Any) -> ErasureRecord:
    values = dict(row)
    return ErasureRecord(**{**values, "images": tuple(values["images"]), "results": tuple(values["results"])})
