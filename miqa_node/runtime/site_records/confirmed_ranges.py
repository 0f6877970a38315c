"""Usual ranges of machines that may flag since a person confirmed the first one: who and when, and the newest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.errors import ConflictError
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import confirmed_ranges

_ranges = TypeAdapter(tuple[UsualRange, ...])
_OF_STATION = sa.exists().where(confirmed_ranges.c.station == sa.bindparam("station"))


@dataclass(frozen=True, slots=True)
class RangeConfirmation:
    """Who confirmed that a history's usual ranges may flag, and when."""

    confirmed_at: datetime
    actor: str


def confirm(
    transaction: Transaction, history: str, station: str, ranges: Sequence[UsualRange], actor: str, now: datetime
) -> RangeConfirmation:
    """From now on these ranges, and the ones that follow them, may flag; ConflictError if that was confirmed."""
    values = {"history": history, "station": station, "ranges": _dump(ranges), "confirmed_at": now, "actor": actor}
    if not insert_or_ignore(transaction, confirmed_ranges, values):
        raise ConflictError("The ranges of history {history} were confirmed already.", history=history)
    _audit(transaction, history, "usual ranges confirmed", actor, now)
    return RangeConfirmation(now, actor)


def withdraw(transaction: Transaction, history: str, actor: str, now: datetime) -> None:
    """They are hints again; ConflictError if nobody confirmed them."""
    gone = sa.delete(confirmed_ranges).where(confirmed_ranges.c.history == history)
    if not transaction.execute(gone).rowcount:
        raise ConflictError("The ranges of history {history} are not confirmed.", history=history)
    _audit(transaction, history, "usual ranges withdrawn", actor, now)


def follow(transaction: Transaction, history: str, ranges: Sequence[UsualRange]) -> None:
    """Take the newest ranges of a history, if its first ones were confirmed."""
    mine = confirmed_ranges.c.history == history
    transaction.execute(sa.update(confirmed_ranges).where(mine).values(ranges=_dump(ranges)))


def rename(transaction: Transaction, history: str, now_named: str) -> None:
    """All series of a history are of another name now: who confirmed it is kept, its ranges are made anew."""
    forget(transaction, now_named)  # of a history of that name that ended before
    mine = confirmed_ranges.c.history == history
    transaction.execute(sa.update(confirmed_ranges).where(mine).values(history=now_named, ranges=[]))


def forget(transaction: Transaction, history: str) -> None:
    """The history is gone: its series went to others."""
    transaction.execute(sa.delete(confirmed_ranges).where(confirmed_ranges.c.history == history))


def confirmation(transaction: Transaction, history: str) -> RangeConfirmation | None:
    """Who confirmed the ranges of a history; None if nobody did."""
    of = confirmed_ranges.c
    row = transaction.execute(sa.select(of.confirmed_at, of.actor).where(of.history == history)).one_or_none()
    return None if row is None else RangeConfirmation(row.confirmed_at, row.actor)


def has_station(transaction: Transaction, station: str) -> bool:
    """Whether a history of that station has confirmed ranges."""
    return bool(transaction.execute(sa.select(_OF_STATION), {"station": station}).scalar_one())


def ranges_of(transaction: Transaction, history: str) -> tuple[UsualRange, ...]:
    """The confirmed ranges of a history; none if nobody confirmed them."""
    query = sa.select(confirmed_ranges.c.ranges).where(confirmed_ranges.c.history == history)
    document = transaction.execute(query).scalar_one_or_none()
    return () if document is None else _ranges.validate_python(document)


def _dump(ranges: Sequence[UsualRange]) -> Any:
    return _ranges.dump_python(tuple(ranges), mode="json")


def _audit(transaction: Transaction, history: str, action: str, actor: str, now: datetime) -> None:
    detail = {"action": action, "history": history}
    records.add(transaction, AuditEntry(AuditEvent.POLICY_CHANGED, now, actor, detail=detail))
