"""The outbox: results and events by destination, with attempts and leases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.delivery import Delivery, DeliveryId, DeliveryState, EventNotice, ResultKind, ResultObject
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.language.phrase import Phrase
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import DELIVERIES, Transaction, announce, insert_or_ignore
from miqa_node.runtime.store.phrase_columns import loaded, stored
from miqa_node.runtime.store.prepared import DriverStatement, among
from miqa_node.runtime.store.tables import deliveries, destination_holds, events, results

ITEMS = deliveries.outerjoin(results, results.c.sop_instance_uid == deliveries.c.sop_instance_uid).outerjoin(
    events, events.c.event_id == deliveries.c.event_id
)
"""Deliveries, each with its result or its event."""


UNDELIVERED = (DeliveryState.QUEUED.value, DeliveryState.HELD.value, DeliveryState.FAILED.value)


def record_result(
    transaction: Transaction,
    digest: InstanceDigest,
    result: ResultObject,
    made_at: datetime,
    generation: int = 0,
    decision: int | None = None,
) -> None:
    """Record an object in the object store, optionally made for a ``decision``; the first one with a UID stays."""
    insert_or_ignore(
        transaction,
        results,
        {
            "sop_instance_uid": result.sop_instance_uid,
            "digest": digest,
            "sop_class_uid": result.sop_class_uid,
            "kind": result.kind,
            "object_key": result.object_key,
            "size_bytes": result.size_bytes,
            "sha256": result.sha256,
            "made_with": None if result.made_with is None else dict(result.made_with),
            "made_at": made_at,
            "generation": generation,
            "decision_id": decision,
        },
    )


def queue(
    transaction: Transaction, item: ResultObject | EventNotice, destination: str, now: datetime, delay_s: float = 0.0
) -> None:
    """Queue one object or event for one destination, after an optional delay; repeating it changes nothing."""
    announce(transaction, DELIVERIES)
    insert_or_ignore(
        transaction,
        deliveries,
        {
            "sop_instance_uid": None if isinstance(item, EventNotice) else item.sop_instance_uid,
            "event_id": item.event_id if isinstance(item, EventNotice) else None,
            "destination": destination,
            "state": DeliveryState.QUEUED.value,
            "attempts": 0,
            "next_attempt_at": now + timedelta(seconds=delay_s),
            "last_error": "",
            "queued_at": now,
        },
    )


def claim(transaction: Transaction, destination: str, limit: int, now: datetime, lease_s: float) -> list[Delivery]:
    """Take up to ``limit`` due deliveries of a destination, oldest first, with an exclusive lease of ``lease_s``."""
    values = {"to": destination, "now": now, "until": now + timedelta(seconds=lease_s), "most": limit}
    return take(transaction, _CLAIM, values)


def is_due(transaction: Transaction, destination: str, now: datetime) -> bool:
    """Whether :func:`claim` would find something; takes no write lock."""
    return bool(_IS_DUE.run(transaction, {"to": destination, "now": now})[0])


def take(transaction: Transaction, taking: DriverStatement, values: Mapping[str, object]) -> list[Delivery]:
    """Run a statement made by :func:`taking`; returns what it took."""
    ids = [row.delivery_id for row in taking.all(transaction, values)]
    return [_delivery(row) for row in _LOAD.all(transaction, {"ids": ids})] if ids else []


def taking(
    due: Sequence[sa.ColumnElement[bool]], order: sa.ColumnElement[datetime], values: Mapping[str, object]
) -> sa.sql.dml.ReturningUpdate[Any]:
    """Update due deliveries in order, the parameter ``most`` at most, so that they are due no more: each once."""
    # A common table expression: PostgreSQL may run a subquery again for each row, and lock more rows than the limit.
    chosen = (
        sa.select(deliveries.c.delivery_id)
        .where(*due)
        .order_by(order, deliveries.c.delivery_id)
        .limit(sa.bindparam("most", type_=sa.Integer))
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )
    return (
        sa.update(deliveries)
        .where(deliveries.c.delivery_id.in_(sa.select(chosen.c.delivery_id)))
        .values(values)
        .returning(deliveries.c.delivery_id)
    )


_TO, _NOW = deliveries.c.destination == sa.bindparam("to"), sa.bindparam("now", type_=deliveries.c.sent_at.type)
_DUE = (
    _TO,
    deliveries.c.state == DeliveryState.QUEUED.value,
    deliveries.c.next_attempt_at <= _NOW,
    sa.or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until <= _NOW),
    ~sa.exists().where(destination_holds.c.destination == sa.bindparam("to")),
)
_IS_DUE = DriverStatement(lambda _dialect: sa.select(sa.exists().where(*_DUE)))
_CLAIM = DriverStatement(
    lambda _dialect: taking(_DUE, deliveries.c.next_attempt_at, {"lease_until": sa.bindparam("until")})
)


def sent(transaction: Transaction, delivery_ids: Sequence[DeliveryId], now: datetime, *, commit: bool = False) -> None:
    """Record success; with ``commit``, storage commitment is requested next.

    Deliveries that expired while the destination was away are queued again, with a new deadline.
    """
    _TRY_AGAIN.run(transaction, {"ids": delivery_ids, "now": now})
    marked = _SENT.all(transaction, {"ids": delivery_ids, "now": now, "ask_at": now if commit else None})
    _audit(transaction, [row.delivery_id for row in marked], now)


def note(transaction: Transaction, notes: Mapping[DeliveryId, str]) -> None:
    """Record what people should know of deliveries that arrived."""
    for delivery_id, text in notes.items():
        change = sa.update(deliveries).where(deliveries.c.delivery_id == delivery_id)
        transaction.execute(change.values(stored(note=text)))


_EXPIRED = deliveries.c.state == DeliveryState.FAILED.value, deliveries.c.failing_since.is_not(None)
_AGAIN = {"state": DeliveryState.QUEUED.value, "next_attempt_at": _NOW}


def _try_again(dialect: str) -> sa.Update:
    """What expired of the destinations of the parameter ``ids``."""
    one = deliveries.alias()
    destinations = sa.select(one.c.destination).where(among(dialect, one.c.delivery_id, "ids"))
    expired = sa.update(deliveries).where(deliveries.c.destination.in_(destinations), *_EXPIRED)
    return expired.values(**_AGAIN, failing_since=None)


def _sent(dialect: str) -> sa.sql.dml.ReturningUpdate[Any]:
    return (
        sa.update(deliveries)
        .where(
            among(dialect, deliveries.c.delivery_id, "ids"),
            # If two lanes sent the same object because a lease expired, the later one changes nothing.
            deliveries.c.state != DeliveryState.COMMITTED.value,
        )
        .values(
            state=DeliveryState.SENT.value,
            attempts=deliveries.c.attempts + 1,
            sent_at=_NOW,
            lease_until=None,
            last_error="",
            note="",
            failing_since=None,
            transaction_uid=None,
            commit_at=sa.bindparam("ask_at"),
        )
        .returning(deliveries.c.delivery_id)
    )


_TRY_AGAIN, _SENT = DriverStatement(_try_again), DriverStatement(_sent)


def failed(
    transaction: Transaction, delivery_id: DeliveryId, error: str, retry_at: datetime | None, now: datetime
) -> None:
    """Record a failed attempt; ``retry_at`` None gives up: FAILED until a person sends it again."""
    since = None if retry_at is None else sa.func.coalesce(deliveries.c.failing_since, now)
    _note_failure(transaction, delivery_id, error, retry_at, since)


AWAY = timedelta(days=1)
"""A destination without a success for this time is away, so an expired delivery is not to blame."""


def expired(transaction: Transaction, delivery_id: DeliveryId, error: str, now: datetime) -> None:
    """Attempts failed for too long: FAILED. If the destination was away, its next success queues the delivery again."""
    destination = sa.select(deliveries.c.destination).where(deliveries.c.delivery_id == delivery_id)
    took = sa.exists().where(
        deliveries.c.destination == destination.scalar_subquery(), deliveries.c.sent_at > now - AWAY
    )
    was_away = not transaction.execute(sa.select(took)).scalar_one()
    _note_failure(transaction, delivery_id, error, None, deliveries.c.failing_since if was_away else None)


def try_expired(transaction: Transaction, destination: str, now: datetime) -> bool:
    """Queue the oldest delivery that expired while the destination was away, as a trial; False if there is none.

    Its deadline stays: if the trial fails, it is FAILED again.
    """
    return _TRY_ONE.run(transaction, {"to": destination, "now": now, "most": 1}) is not None


_TRY_ONE = DriverStatement(lambda _dialect: taking((_TO, *_EXPIRED), deliveries.c.next_attempt_at, _AGAIN))


def _note_failure(
    transaction: Transaction,
    delivery_id: DeliveryId,
    error: str,
    retry_at: datetime | None,
    since: sa.ColumnElement[datetime] | None,
) -> None:
    state = (DeliveryState.FAILED if retry_at is None else DeliveryState.QUEUED).value
    # A delivery that a person held or cancelled meanwhile, or whose result is lost for good, stays as it is.
    waits = deliveries.c.state == DeliveryState.QUEUED.value
    values: dict[str, object] = {
        "attempts": deliveries.c.attempts + 1,
        **stored(last_error=error),
        "failing_since": sa.case((waits, sa.null() if since is None else since), else_=deliveries.c.failing_since),
        "lease_until": None,
        "state": sa.case((waits, state), else_=deliveries.c.state),
    }
    if retry_at is not None:
        values["next_attempt_at"] = retry_at
    arrived = deliveries.c.state.in_([DeliveryState.SENT.value, DeliveryState.COMMITTED.value])
    transaction.execute(sa.update(deliveries).where(deliveries.c.delivery_id == delivery_id, ~arrived).values(values))


def replace_result(
    transaction: Transaction, delivery_id: DeliveryId, original_uid: str, result: ResultObject, now: datetime
) -> bool:
    """Deliver ``result``, made from the result ``original_uid``, in its place, at once.

    False, without any change, if the destination already has a delivery of it, or this one was cancelled, perhaps by an
    erasure: nothing may be made for it any more.
    """
    row = transaction.execute(
        sa.select(
            results.c.digest, results.c.generation, results.c.decision_id, results.c.made_with, deliveries.c.destination
        )
        .join(deliveries, deliveries.c.sop_instance_uid == results.c.sop_instance_uid)
        .where(
            deliveries.c.delivery_id == delivery_id,
            deliveries.c.state != DeliveryState.CANCELLED.value,
            results.c.sop_instance_uid == original_uid,
        )
        .with_for_update()
    ).one_or_none()
    if row is None:
        return False
    conflict = sa.exists().where(
        deliveries.c.sop_instance_uid == result.sop_instance_uid, deliveries.c.destination == row.destination
    )
    if transaction.execute(sa.select(conflict)).scalar_one():
        return False
    made = replace(result, made_with=row.made_with)
    record_result(transaction, InstanceDigest(row.digest), made, now, row.generation, row.decision_id)
    transaction.execute(
        sa.update(deliveries)
        .where(deliveries.c.delivery_id == delivery_id)
        .values(sop_instance_uid=result.sop_instance_uid, next_attempt_at=now, lease_until=None, last_error="")
    )
    return True


def release(transaction: Transaction, delivery_ids: Iterable[DeliveryId]) -> None:
    """Release claimed deliveries without an attempt."""
    transaction.execute(
        sa.update(deliveries).where(deliveries.c.delivery_id.in_(list(delivery_ids))).values(lease_until=None)
    )


def of_instance(transaction: Transaction, digest: InstanceDigest) -> list[Delivery]:
    """All deliveries of objects and events about an instance."""
    return load_where(transaction, sa.func.coalesce(results.c.digest, events.c.digest) == digest)


def result_of(row: Any) -> ResultObject:
    """The object of a row of the results, without what it was made with."""
    return ResultObject(
        row.sop_instance_uid, row.sop_class_uid, ResultKind(row.kind), row.object_key, row.size_bytes, row.sha256
    )


def send_soon(transaction: Transaction, sop_instance_uid: str, now: datetime) -> None:
    """A result was mended: what waits for it is due."""
    waits = deliveries.c.sop_instance_uid == sop_instance_uid, deliveries.c.state == DeliveryState.QUEUED.value
    announce(transaction, DELIVERIES)
    transaction.execute(sa.update(deliveries).where(*waits).values(next_attempt_at=now))


def give_up(transaction: Transaction, sop_instance_uid: str, why: Phrase) -> None:
    """A result is lost for good: what waits for it is FAILED, and no success of its destination queues it again."""
    waits = deliveries.c.sop_instance_uid == sop_instance_uid, deliveries.c.state == DeliveryState.QUEUED.value
    values = {"state": DeliveryState.FAILED.value, "lease_until": None, "failing_since": None, **stored(last_error=why)}
    transaction.execute(sa.update(deliveries).where(*waits).values(values))


def result_maker(transaction: Transaction, sop_instance_uid: str) -> InstanceDigest | None:
    """The instance of a result; None if there is no such result."""
    query = sa.select(results.c.digest).where(results.c.sop_instance_uid == sop_instance_uid)
    digest = transaction.execute(query).scalar_one_or_none()
    return None if digest is None else InstanceDigest(digest)


def count_undelivered(transaction: Transaction) -> dict[str, dict[DeliveryState, int]]:
    """Number of waiting and of failed deliveries of each destination that ever had one."""
    of, states = deliveries.c, (DeliveryState.QUEUED, DeliveryState.FAILED)
    counts = {name: dict.fromkeys(states, 0) for name in _destinations(transaction)}
    query = sa.select(of.destination, of.state, sa.func.count()).where(of.state.in_([one.value for one in states]))
    for destination, state, count in transaction.execute(query.group_by(of.destination, of.state)):
        counts.setdefault(destination, dict.fromkeys(states, 0))[DeliveryState(state)] = int(count)
    return counts


def _destinations(transaction: Transaction) -> Iterator[str]:
    """Names, each with one look into the index: a list of the distinct ones would read all rows."""
    of = deliveries.c.destination
    name = transaction.execute(sa.select(sa.func.min(of))).scalar_one()
    while name is not None:
        yield name
        name = transaction.execute(sa.select(sa.func.min(of)).where(of > name)).scalar_one()


def oldest_undelivered(transaction: Transaction) -> dict[str, datetime]:
    """Queuing time of the oldest waiting or failed delivery, by destination."""
    undelivered = deliveries.c.state.in_([DeliveryState.QUEUED.value, DeliveryState.FAILED.value])
    query = sa.select(deliveries.c.destination, sa.func.min(deliveries.c.queued_at)).where(undelivered)
    return {row[0]: row[1] for row in transaction.execute(query.group_by(deliveries.c.destination))}


def load_where(transaction: Transaction, condition: sa.ColumnElement[bool]) -> list[Delivery]:
    """Deliveries that meet a condition on the tables, in order of their due time."""
    return [_delivery(row) for row in transaction.execute(_loading(condition))]


_OF_RESULT = ("sop_class_uid", "kind", "object_key", "size_bytes", "sha256")


def _loading(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(deliveries, *(results.c[name] for name in _OF_RESULT), events.c.event_type)
        .select_from(ITEMS)
        .where(condition)
        .order_by(deliveries.c.next_attempt_at, deliveries.c.delivery_id)
    )


_LOAD = DriverStatement(lambda dialect: _loading(among(dialect, deliveries.c.delivery_id, "ids")))


def _delivery(row: Any) -> Delivery:
    return Delivery(
        delivery_id=DeliveryId(row.delivery_id),
        destination=row.destination,
        item=EventNotice(row.event_id, row.event_type) if row.event_id is not None else result_of(row),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        last_error=loaded(row.last_error, row.last_error_phrase),
        failing_since=row.failing_since,
    )


def _audit(transaction: Transaction, delivery_ids: Sequence[int], now: datetime) -> None:
    """Record delivered objects in the audit trail."""
    records.add(transaction, *(_entry(row, now) for row in _DELIVERED.all(transaction, {"ids": delivery_ids})))


def _delivered(dialect: str) -> sa.Select[Any]:
    digest = sa.func.coalesce(results.c.digest, events.c.digest).label("digest")
    columns = (deliveries.c.destination, results.c.kind, results.c.sop_instance_uid, results.c.sop_class_uid, digest)
    query = sa.select(*columns, events.c.event_type).select_from(ITEMS)
    return query.where(among(dialect, deliveries.c.delivery_id, "ids"))


_DELIVERED = DriverStatement(_delivered)


def _entry(row: Any, now: datetime) -> AuditEntry:
    content = {"destination": row.destination, "kind": row.kind or row.event_type}
    if row.sop_instance_uid is not None:
        content |= {"class": row.sop_class_uid, "instance": row.sop_instance_uid}
    return AuditEntry(AuditEvent.DELIVERED, now, digest=row.digest or "", detail=content)
