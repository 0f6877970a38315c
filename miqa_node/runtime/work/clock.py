"""Repairs waiting times after the system clock was set back, which would otherwise be longer by the step.

Times in the database are wall-clock times, because processes on several machines share them. Impossible times reveal a
step: an entry queued or arrived in the future, or a pause longer than any allowed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import announcements, deliveries, series

SLACK = timedelta(seconds=60)
"""Maximum clock difference of machines that share a database."""


def mend(transaction: Transaction, now: datetime, longest_pause: timedelta) -> int:
    """Reset impossible waiting times to the present; returns the number of changes.

    ``longest_pause`` is the longest time that the settings allow between two attempts, as a lease, or until a study has
    passed. A requested delay, such as that of a rejection note, starts again.
    """
    return (
        _queued_in_the_future(transaction, now)
        + _set(transaction, deliveries.c.next_attempt_at, now, now + longest_pause + SLACK, deliveries.c.attempts > 0)
        + _set(transaction, deliveries.c.lease_until, now, now + longest_pause + SLACK)
        + _set(transaction, announcements.c.look_at, now, now + longest_pause + SLACK)
        + _set(transaction, series.c.arrived_at, now, now + SLACK, series.c.pending)
    )


def _queued_in_the_future(transaction: Transaction, now: datetime) -> int:
    of = deliveries.c
    waits = (of.state == DeliveryState.QUEUED.value, of.queued_at > now + SLACK)
    rows = transaction.execute(sa.select(of.delivery_id, of.queued_at, of.next_attempt_at).where(*waits)).all()
    for row in rows:
        due = now + max(row.next_attempt_at - row.queued_at, timedelta(0))
        change = sa.update(deliveries).where(of.delivery_id == row.delivery_id)
        transaction.execute(change.values(queued_at=now, next_attempt_at=due))
    return len(rows)


def _set(
    transaction: Transaction,
    column: sa.Column[datetime],
    now: datetime,
    beyond: datetime,
    *conditions: sa.ColumnElement[bool],
) -> int:
    change = sa.update(column.table).where(column > beyond, *conditions).values({column.name: now})
    return transaction.execute(change).rowcount
