"""Named positions in the chain of the audit trail, and the lock for extending the chain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from miqa_node.core.keys.canonical import canonical
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import audit_marks

HEAD, CHECKPOINT = "head", "checkpoint"
GENESIS = "0" * 64
"""The previous hash of the first record."""

_of = audit_marks.c


@dataclass(frozen=True, slots=True)
class ChainMark:
    """A position in the chain; ``document`` is its signed document, or empty."""

    number: int
    sha256: str
    document: Mapping[str, Any]


def lock(transaction: Transaction) -> None:
    """Lock the head of the chain until the transaction ends: one row on PostgreSQL, the whole database on SQLite."""
    held = sa.update(audit_marks).where(_of.name == HEAD).values(name=HEAD)
    if not transaction.execute(held).rowcount:
        insert_or_ignore(transaction, audit_marks, _start(HEAD))
        transaction.execute(held)


def read(transaction: Transaction, name: str) -> ChainMark | None:
    """A mark; None if it was never written."""
    row = transaction.execute(sa.select(audit_marks).where(_of.name == name)).one_or_none()
    return None if row is None else ChainMark(row.number, row.sha256, json.loads(row.document))


def write(transaction: Transaction, name: str, place: ChainMark) -> None:
    """Write a mark."""
    insert_or_ignore(transaction, audit_marks, _start(name))
    values = {"number": place.number, "sha256": place.sha256, "document": canonical(place.document).decode()}
    transaction.execute(sa.update(audit_marks).where(_of.name == name).values(values))


def replace(transaction: Transaction, name: str, document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Record what is in force now; returns the previous value if different, else None. Only one process gets it."""
    lock(transaction)
    before = read(transaction, name)
    if before is not None and before.document == document:
        return None
    write(transaction, name, ChainMark(0, "", document))
    return before.document if before is not None else {}


def lease(transaction: Transaction, name: str, now: datetime, lease_s: float) -> ChainMark | None:
    """Lease a mark for a time; None if another process has it."""
    insert_or_ignore(transaction, audit_marks, _start(name))
    free = sa.or_(_of.lease_until.is_(None), _of.lease_until <= now)
    claim = sa.update(audit_marks).where(_of.name == name, free).values(lease_until=now + timedelta(seconds=lease_s))
    return read(transaction, name) if transaction.execute(claim).rowcount else None


def advance(transaction: Transaction, name: str, number: int) -> None:
    """Return a leased mark at its new position."""
    later = sa.case((_of.number < number, number), else_=_of.number)
    transaction.execute(sa.update(audit_marks).where(_of.name == name).values(number=later, lease_until=None))


def _start(name: str) -> dict[str, Any]:
    return {"name": name, "number": 0, "sha256": GENESIS, "document": "{}"}
