"""Repairs waiting times after the system clock was set back, which would otherwise be longer by the step.

Times in the database are wall-clock times, because processes on several machines share them. Impossible times reveal a
step: an entry queued or arrived in the future, or a pause longer than any allowed. What another transaction wrote with
the former clock may be committed after this one: :data:`AGAIN_AFTER_S`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.notice import NoticeState
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import (
    announcements,
    audit_marks,
    commitment_requests,
    deliveries,
    disk_samples,
    executors,
    notices,
    series,
    sign_ins,
)

SLACK = timedelta(seconds=60)
"""Maximum clock difference of machines that share a database."""
AGAIN_AFTER_S = (10.0, 60.0, 300.0)
"""Waiting times are repaired again so long after a step: no transaction lasts longer."""
QUIET_HOURS = timedelta(days=1)
"""The longest time for which a person wants no notice."""


def mend(transaction: Transaction, now: datetime, longest_pause: timedelta) -> int:
    """Reset impossible waiting times to the present; returns the number of changes.

    ``longest_pause`` is the longest time that the settings allow between two attempts, as a lease, or until a study has
    passed. A requested delay, such as that of a rejection note, starts again. Sign-ins of the future would refuse
    people or hide wrong passwords, and samples of a disk would keep newer ones away.
    """
    return (
        _queued_in_the_future(transaction, now)
        + _set(transaction, deliveries.c.next_attempt_at, now, now + longest_pause + SLACK, deliveries.c.attempts > 0)
        + sum(_set(transaction, column, now, now + longest_pause + SLACK) for column in WAITING_TIMES)
        + _set(transaction, series.c.arrived_at, now, now + SLACK, series.c.pending)
        + _set(transaction, executors.c.heartbeat_at, now, now + SLACK)
        + _set(transaction, sign_ins.c.at, now, now + SLACK)
        + transaction.execute(sa.delete(disk_samples).where(disk_samples.c.at > now + SLACK)).rowcount
        + _notices(transaction, now, longest_pause)
    )


WAITING_TIMES = (
    deliveries.c.lease_until,
    deliveries.c.commit_at,
    announcements.c.look_at,
    commitment_requests.c.next_attempt_at,
    audit_marks.c.lease_until,
)
"""None of them is further away than the longest pause."""


def _queued_in_the_future(transaction: Transaction, now: datetime) -> int:
    of = deliveries.c
    waits = (of.state == DeliveryState.QUEUED.value, of.queued_at > now + SLACK)
    rows = transaction.execute(sa.select(of.delivery_id, of.queued_at, of.next_attempt_at).where(*waits)).all()
    for row in rows:
        due = now + max(row.next_attempt_at - row.queued_at, timedelta(0))
        change = sa.update(deliveries).where(of.delivery_id == row.delivery_id)
        transaction.execute(change.values(queued_at=now, next_attempt_at=due))
    return len(rows)


def _notices(transaction: Transaction, now: datetime, longest_pause: timedelta) -> int:
    """Notices made in the future go out now; after an error they wait for a pause, else for the end of quiet hours."""
    waits = notices.c.state == NoticeState.WAITING.value
    is_new = sa.and_(waits, notices.c.made_at > now + SLACK)
    made = transaction.execute(sa.update(notices).where(is_new).values(made_at=now, next_attempt_at=now)).rowcount
    column, has_failed = notices.c.next_attempt_at, notices.c.last_error != ""
    return (
        made
        + _set(transaction, column, now, now + longest_pause + SLACK, waits, has_failed)
        + _set(transaction, column, now, now + QUIET_HOURS + SLACK, waits)
    )


def _set(
    transaction: Transaction,
    column: sa.Column[datetime],
    now: datetime,
    beyond: datetime,
    *conditions: sa.ColumnElement[bool],
) -> int:
    change = sa.update(column.table).where(column > beyond, *conditions).values({column.name: now})
    return transaction.execute(change).rowcount
