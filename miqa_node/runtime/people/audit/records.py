"""Records of the audit trail: added in the transaction of the recorded action, read by filter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent, AuditFilter, AuditRecord
from miqa_node.core.domain.patient import PatientKey, identifier
from miqa_node.core.keys.canonical import canonical
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.prepared import DriverStatement
from miqa_node.runtime.store.tables import audit_patients, audit_records, patients

NODE = "node"
"""The actor of the node's own actions."""

_of = audit_records.c
_INSERT = DriverStatement(lambda _dialect: sa.insert(audit_records))
COLUMNS = tuple(_of[one.name] for one in fields(AuditRecord))


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """The content of a record before sealing; the patient follows from the study, the study from the digest."""

    event: AuditEvent
    at: datetime
    actor: str = NODE
    means: str = ""
    peer: str = ""
    failed: bool = False
    patient: str = ""
    study: str = ""
    digest: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def add(transaction: Transaction, *entries: AuditEntry) -> None:
    """Add records; they are sealed within a second."""
    for entry in entries:
        _INSERT.run(transaction, _row(entry))


def select(transaction: Transaction, chosen: AuditFilter) -> list[AuditRecord]:
    """Matching records, newest first; unsealed ones come first."""
    of, conditions = _of, []
    for column, value in ((of.event, chosen.event), (of.actor, chosen.actor), (of.study, chosen.study)):
        if value:
            conditions.append(column == value)
    if chosen.patient_id:
        named = sa.select(audit_patients.c.pseudonym)
        conditions.append(of.patient.in_(named.where(audit_patients.c.patient_id.in_(_texts(transaction, chosen)))))
    if chosen.since:
        conditions.append(of.at >= chosen.since)
    if chosen.until:
        conditions.append(of.at < chosen.until)
    if chosen.before:
        conditions.append(of.number < chosen.before)
    query = sa.select(*COLUMNS).where(*conditions)
    order = (sa.case((of.number.is_(None), 0), else_=1), of.number.desc(), of.record_id.desc())
    rows = transaction.execute(query.order_by(*order).limit(chosen.limit)).mappings()
    return [record(row) for row in rows]


def after(transaction: Transaction, number: int, limit: int) -> list[AuditRecord]:
    """Sealed records after a position of the chain, in order."""
    query = sa.select(*COLUMNS).where(_of.number > number).order_by(_of.number).limit(limit)
    return [record(row) for row in transaction.execute(query).mappings()]


def record(row: Mapping[str, Any] | sa.RowMapping) -> AuditRecord:
    """The record of a row with the columns :data:`COLUMNS`."""
    return AuditRecord(**{**row, "number": row["number"] or 0, "sha256": row["sha256"] or ""})


def _texts(transaction: Transaction, chosen: AuditFilter) -> list[str]:
    """The texts of the keys of the patients whom a filter names; without authority it is the ID itself."""
    if chosen.authority is not None:
        return [PatientKey(chosen.patient_id, chosen.authority).text()]
    query = sa.select(patients.c.authority).where(patients.c.patient_id == chosen.patient_id)
    authorities = transaction.execute(query.distinct()).scalars()
    return [PatientKey(chosen.patient_id, authority).text() for authority in {"", *authorities}]


def patient_ids(transaction: Transaction, pseudonyms: Sequence[str]) -> dict[str, str]:
    """Patient IDs by pseudonym, with their authority as in HL7's data type CX; erased patients are missing."""
    query = sa.select(audit_patients.c.pseudonym, audit_patients.c.patient_id)
    rows = transaction.execute(query.where(audit_patients.c.pseudonym.in_(set(pseudonyms))))
    return {row.pseudonym: identifier(row.patient_id) for row in rows}


def words(one: AuditRecord) -> str:
    """The detail as text for people."""
    return ", ".join(f"{name} {value}" for name, value in json.loads(one.detail).items())


def moment(at: datetime) -> str:
    """A time in the form of the records.

    >>> moment(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05.000000+00:00'
    """
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _row(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": moment(entry.at),
        "event": entry.event.value,
        "actor": entry.actor,
        "means": entry.means,
        "peer": entry.peer,
        "failed": entry.failed,
        "patient": entry.patient,
        "study": entry.study,
        "digest": entry.digest,
        "detail": canonical(entry.detail).decode(),
    }
