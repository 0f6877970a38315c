"""What waits for a point in time, after the system's clock was set back: it would wait for as long as the step was.

Times in the database are those of the wall clock, because processes on several machines share them. A time that nothing
can have set shows a step: something that was queued, or arrived, in the future, or a pause that is longer than any.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from miqa_node.domain.delivery import DeliveryState
from miqa_node.store.database import Transaction
from miqa_node.store.tables import announcements, deliveries, series

SLACK = timedelta(seconds=60)
"""By how much the clocks of machines that share a database may differ."""


def mend(transaction: Transaction, now: datetime, longest_pause: timedelta) -> int:
    """Bring what waits beyond reason back to the present; how much that was.

    ``longest_pause`` is the longest that the settings allow between two attempts, as a lease, or until a study has
    passed. A delay that was asked for, such as that of a rejection note, starts again.
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
