"""Destinations as a whole: whether they answer, whether a person holds them, and their backlogs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.operations import (
    FRESH,
    Alarm,
    DestinationBacklog,
    DestinationCheck,
    DestinationHold,
    DestinationStatus,
    alarms,
    status_of,
)
from miqa_node.errors import ConflictError
from miqa_node.runtime.store import damages
from miqa_node.runtime.store.database import Database, Transaction, insert_or_ignore
from miqa_node.runtime.store.phrase_columns import loaded, stored, with_phrases
from miqa_node.runtime.store.tables import deliveries, destination_checks, destination_holds
from miqa_node.stages.deliver.rows.deliveries import UNDELIVERED

FORGET_AFTER = timedelta(days=7)
"""Checks by processes that ended before this time are ignored."""


def record(transaction: Transaction, check: DestinationCheck) -> bool:
    """Record a check; ``since`` stays as long as the result is the same. True if the destination has just come back."""
    key = (destination_checks.c.destination == check.destination, destination_checks.c.node == check.node)
    earlier = transaction.execute(sa.select(destination_checks).where(*key)).one_or_none()
    values = asdict(check) | stored(detail=check.detail)
    if earlier is None:
        insert_or_ignore(transaction, destination_checks, values)
        return False
    if earlier.answers == check.answers:
        del values["since"]
    transaction.execute(sa.update(destination_checks).where(*key).values(values))
    return check.answers and not earlier.answers


def forget(transaction: Transaction, node: str, keep: set[str], now: datetime) -> None:
    """Delete checks of this process's removed destinations, and of processes that ended long ago."""
    of = destination_checks.c
    gone = sa.and_(of.node == node, of.destination.not_in(keep))
    transaction.execute(sa.delete(destination_checks).where(sa.or_(gone, of.checked_at < now - FORGET_AFTER)))


def leave(transaction: Transaction, node: str, now: datetime) -> None:
    """A process ends: its checks are no longer current; it takes them up again if it comes back."""
    of = destination_checks.c
    current = sa.and_(of.node == node, of.checked_at > now - FRESH)
    transaction.execute(sa.update(destination_checks).where(current).values(checked_at=now - FRESH))


def select(transaction: Transaction) -> list[DestinationCheck]:
    """The last check of each destination by each process."""
    query = sa.select(destination_checks).order_by(destination_checks.c.destination, destination_checks.c.node)
    return [DestinationCheck(**with_phrases(row, "detail")) for row in transaction.execute(query).mappings()]


def statuses(transaction: Transaction, configured: tuple[str, ...], now: datetime) -> list[DestinationStatus]:
    """All destinations that are configured, that a running process checks, or that something waits for, by urgency.

    One that is gone, and for which nothing waits any more, is not among them: what was given up is in the list of
    deliveries.
    """
    checks: dict[str, list[DestinationCheck]] = defaultdict(list)
    for check in select(transaction):
        checks[check.destination].append(check)
    current = {name for name, of_all in checks.items() if any(one.is_fresh(now) for one in of_all)}
    holds = {row["destination"]: DestinationHold(**row) for row in _holds(transaction)}
    waiting = _backlogs(transaction, now)
    expected = {name for name, backlog in waiting.items() if backlog.waiting or backlog.held}
    every = [
        status_of(name, checks[name], _with_last(transaction, name, waiting.get(name)), holds.get(name), now)
        for name in {*configured, *current, *holds, *expected}
    ]
    return sorted(every, key=lambda one: (one.urgency, one.name))


def alarms_now(database: Database, configured: tuple[str, ...], longest_wait_s: float) -> tuple[Alarm, ...]:
    """The current alarms."""
    now = datetime.now(UTC)
    with database.begin() as transaction:
        of_destinations = alarms(statuses(transaction, configured, now), timedelta(seconds=longest_wait_s), now)
        return *of_destinations, *damages.alarm(transaction)


def hold(transaction: Transaction, held: DestinationHold) -> None:
    """Stop sending there; ConflictError if it is already held."""
    if not insert_or_ignore(transaction, destination_holds, asdict(held)):
        raise ConflictError("The destination {destination} is held already.", destination=held.destination)


def release(transaction: Transaction, destination: str) -> None:
    """Resume sending there; ConflictError if it is not held."""
    done = sa.delete(destination_holds).where(destination_holds.c.destination == destination)
    if not transaction.execute(done).rowcount:
        raise ConflictError("The destination {destination} is not held.", destination=destination)


def drain(transaction: Transaction, destination: str, now: datetime) -> int:
    """Make all deliveries that wait for another attempt due now; returns their number.

    Untried deliveries keep their time: until then, the decision behind a rejection note can be withdrawn.
    """
    of = deliveries.c
    waits = (
        of.destination == destination,
        of.state == DeliveryState.QUEUED.value,
        of.attempts > 0,
        of.next_attempt_at > now,
    )
    return transaction.execute(sa.update(deliveries).where(*waits).values(next_attempt_at=now)).rowcount


def has_waiting(transaction: Transaction, destination: str) -> bool:
    """Whether a destination has queued deliveries."""
    of = deliveries.c
    queued = sa.exists().where(of.destination == destination, of.state == DeliveryState.QUEUED.value)
    return transaction.execute(sa.select(queued)).scalar_one()


def _holds(transaction: Transaction) -> list[sa.RowMapping]:
    return list(transaction.execute(sa.select(destination_holds)).mappings())


def _backlogs(transaction: Transaction, now: datetime) -> dict[str, DestinationBacklog]:
    of = deliveries.c
    # An untried delivery waits from the time at which it may be sent: a rejection note has a delay.
    waits_since = sa.case((of.attempts > 0, of.queued_at), else_=of.next_attempt_at)
    query = (
        sa.select(of.destination, of.state, sa.func.count(), sa.func.min(waits_since, type_=of.queued_at.type))
        .where(of.state.in_(UNDELIVERED))
        .group_by(of.destination, of.state)
    )
    counts: dict[str, dict[str, tuple[int, datetime | None]]] = defaultdict(dict)
    for destination, state, number, oldest in transaction.execute(query):
        counts[destination][state] = (int(number), oldest if oldest <= now else None)
    none = (0, None)
    return {
        name: DestinationBacklog(
            waiting=states.get(DeliveryState.QUEUED.value, none)[0],
            held=states.get(DeliveryState.HELD.value, none)[0],
            failed=states.get(DeliveryState.FAILED.value, none)[0],
            oldest_at=states.get(DeliveryState.QUEUED.value, none)[1],
        )
        for name, states in counts.items()
    }


def _with_last(transaction: Transaction, name: str, backlog: DestinationBacklog | None) -> DestinationBacklog:
    """Add the last error of waiting deliveries and the last success, using the index of due deliveries."""
    of = deliveries.c
    unsent = (of.destination == name, of.state.in_(UNDELIVERED), of.last_error != "")
    error = sa.select(of.last_error, of.last_error_phrase).where(*unsent).order_by(of.next_attempt_at.desc()).limit(1)
    last = sa.select(sa.func.max(of.sent_at, type_=of.sent_at.type)).where(of.destination == name)
    status = backlog or DestinationBacklog()
    row = transaction.execute(error).first() if backlog else None
    text = loaded(*row) if row else ""
    return DestinationBacklog(
        status.waiting, status.held, status.failed, status.oldest_at, text, transaction.execute(last).scalar()
    )
