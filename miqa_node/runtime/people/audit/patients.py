"""Pseudonyms of patients in the audit trail, each with a separate key, without which nobody can recompute it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from miqa_node.runtime.people.audit.marks import lock
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Transaction, insert_or_ignore

PSEUDONYM_CHARACTERS = 32
_keys = t.audit_patients.c


def pseudonyms(transaction: Transaction, patient_ids: Collection[str]) -> dict[str, str]:
    """Pseudonyms by the texts of patients' keys (:meth:`PatientKey.text`); missing ones are created."""
    rows = transaction.execute(
        sa.select(_keys.patient_id, _keys.pseudonym).where(_keys.patient_id.in_(set(patient_ids)))
    )
    pseudonym_by_patient = {row.patient_id: row.pseudonym for row in rows}
    for patient_id in set(patient_ids) - pseudonym_by_patient.keys():
        key, pseudonym = _make(patient_id)
        insert_or_ignore(transaction, t.audit_patients, {"patient_id": patient_id, "key": key, "pseudonym": pseudonym})
        pseudonym_by_patient[patient_id] = pseudonym
    return pseudonym_by_patient


def forget(transaction: Transaction, patient_id: str, studies: Sequence[str], images: Sequence[str]) -> str:
    """Delete a patient's key, so that the records can no longer be attributed; returns the pseudonym.

    ``patient_id`` is the text of the key. Unsealed records of the images, and of the studies, which have no images of
    others, get the pseudonym, too. The rows must still identify the patient.
    """
    lock(transaction)  # sealing must not create a new key from rows that still identify the patient
    pseudonym = (
        transaction.execute(sa.select(_keys.pseudonym).where(_keys.patient_id == patient_id)).scalar_one_or_none()
        or _make(patient_id)[1]
    )
    transaction.execute(sa.delete(t.audit_patients).where(_keys.patient_id == patient_id))
    of = t.audit_records.c
    transaction.execute(
        sa.update(t.audit_records)
        .where(of.number.is_(None), of.patient == "", sa.or_(of.study.in_(studies), of.digest.in_(images)))
        .values(patient=pseudonym)
    )
    return pseudonym


def forget_bare(transaction: Transaction, patient_id: str) -> None:
    """Delete the key that records of earlier versions have for an ID, if nobody with that ID is left."""
    others = t.patients.c.patient_id == patient_id, t.studies.c.patient_id == patient_id
    if not any(transaction.execute(sa.select(sa.exists().where(one))).scalar_one() for one in others):
        transaction.execute(sa.delete(t.audit_patients).where(_keys.patient_id == patient_id))


def forget_unnamed(transaction: Transaction) -> None:
    """Delete keys of patients without any record."""
    named = sa.exists().where(t.audit_records.c.patient == _keys.pseudonym)
    transaction.execute(sa.delete(t.audit_patients).where(~named))


def _make(patient_id: str) -> tuple[str, str]:
    key = secrets.token_bytes(32)
    digest = hmac.new(key, patient_id.encode(), hashlib.sha256).hexdigest()
    return key.hex(), digest[:PSEUDONYM_CHARACTERS]
