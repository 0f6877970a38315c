"""Patients who were erased, by the salted digests of their proofs: whoever fetches images of the past asks first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import sqlalchemy as sa

from miqa_node.core.domain.patient import PatientKey
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import all_tables


def erased_patients(transaction: Transaction) -> Callable[[PatientKey], bool]:
    """Whether a patient was erased, according to the proofs of today. One of an earlier version names no authority."""
    of = all_tables().tables["erasures"].c
    rows = transaction.execute(sa.select(of.salt, of.patient_sha256, of.authority)).all()

    def is_erased(patient: PatientKey) -> bool:
        return any(
            (patient.authority is None or row.authority in (None, patient.authority))
            and salted(row.salt, PatientKey(patient.patient_id, row.authority)) == row.patient_sha256
            for row in rows
        )

    return is_erased


def salted(salt: str, patient: PatientKey) -> str:
    """The digest in a proof: whoever knows the Patient ID can check it."""
    return hashlib.sha256(f"{salt}:{patient.text()}".encode()).hexdigest()
