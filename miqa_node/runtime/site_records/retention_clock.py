"""The latest time that what removes by age has trusted, and whether it waits for a person to confirm the clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.operations import Alarm
from miqa_node.core.language.phrase import Phrase
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Transaction, insert_into

MEND = "If the clock is right, a person confirms it: miqa-node retention confirm."
_of = t.retention_clock.c
_PLACE = 1


@dataclass(frozen=True, slots=True)
class ClockRecord:
    """The row; before the first one, ``seen_at`` is the arrival of the newest image, and None if there is none."""

    seen_at: datetime | None
    confirmed_at: datetime | None = None
    waits_since: datetime | None = None


def load(transaction: Transaction) -> ClockRecord:
    """What is recorded."""
    row = transaction.execute(sa.select(_of.seen_at, _of.confirmed_at, _of.waits_since)).first()
    if row is not None:
        return ClockRecord(*row)
    newest = sa.func.max(t.instances.c.received_at, type_=t.instances.c.received_at.type)
    return ClockRecord(transaction.execute(sa.select(newest)).scalar())


def trust(transaction: Transaction, now: datetime) -> None:
    """Record a time that was trusted; nothing waits any more."""
    _write(transaction, seen_at=now, waits_since=None)


def confirm(transaction: Transaction, now: datetime) -> None:
    """Record that a person says that this is the time."""
    _write(transaction, seen_at=now, confirmed_at=now, waits_since=None)


def wait(transaction: Transaction, record: ClockRecord, now: datetime) -> None:
    """Record that a person is to be asked."""
    if record.waits_since is None:
        _write(transaction, seen_at=record.seen_at or now, waits_since=now)


def alarms(transaction: Transaction) -> Iterator[Alarm]:
    """An alarm while a person is asked."""
    record = load(transaction)
    if record.waits_since is not None and record.seen_at is not None:
        days = max(1, round((record.waits_since - record.seen_at).total_seconds() / 86_400))
        text = Phrase.of_number(
            "The clock was set ahead by {count} day, or no process ran for so long: nothing is removed by age. {mend}",
            "The clock was set ahead by {count} days, or no process ran for so long: nothing is removed by age. {mend}",
            days,
            mend=Phrase(MEND),
        )
        yield Alarm("Retention waits", text, None)


def _write(transaction: Transaction, **values: datetime | None) -> None:
    statement = insert_into(transaction, t.retention_clock).values(place=_PLACE, **values)
    transaction.execute(statement.on_conflict_do_update(index_elements=[_of.place], set_=values))
