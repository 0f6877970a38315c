"""Deliveries as jobs that users can list, hold, release, resend and cancel; each action is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryAction, DeliveryId, DeliveryState
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.phrase_columns import loaded
from miqa_node.runtime.store.tables import deliveries, delivery_events, events, instances, results
from miqa_node.stages.deliver.rows.deliveries import ITEMS


@dataclass(frozen=True, slots=True)
class DeliveryJob:
    """One object or event for one destination, with its image, if it has one.

    ``kind`` is the object's kind, or the event's type; for an event, ``sop_instance_uid`` is its identifier.
    """

    delivery_id: int
    destination: str
    state: DeliveryState
    kind: str
    sop_instance_uid: str
    source_sop_instance_uid: str
    study_instance_uid: str
    attempts: int
    queued_at: datetime
    next_attempt_at: datetime
    sent_at: datetime | None
    committed_at: datetime | None
    last_error: str
    note: str
    """How it arrived, if in another way than usual."""


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """One action of a person on a delivery."""

    at: datetime
    action: str
    actor: str
    comment: str


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries; empty fields match everything."""

    state: tuple[DeliveryState, ...] = ()
    destination: str = ""
    kind: tuple[str, ...] = ()
    """Kinds of objects and types of events."""
    uid: str = ""
    """UID of the result, of its source image, or of that image's series or study."""


def select(transaction: Transaction, match: DeliveryFilter, *, limit: int, offset: int = 0) -> list[DeliveryJob]:
    """Deliveries, the newest first."""
    query = _query().where(*_conditions(match)).order_by(deliveries.c.delivery_id.desc()).limit(limit).offset(offset)
    return [_job(row) for row in transaction.execute(query)]


def count(transaction: Transaction, match: DeliveryFilter) -> int:
    """Number of deliveries."""
    needed = _joined() if match.kind or match.uid else deliveries  # to join the others takes a minute with millions
    query = sa.select(sa.func.count()).select_from(needed).where(*_conditions(match))
    return int(transaction.execute(query).scalar_one())


def show(transaction: Transaction, delivery_id: int) -> tuple[DeliveryJob, list[DeliveryEvent]]:
    """One delivery with its recorded actions; NotFoundError if it does not exist."""
    row = transaction.execute(_query().where(deliveries.c.delivery_id == delivery_id)).one_or_none()
    if row is None:
        raise NotFoundError("There is no delivery {delivery_id}.", delivery_id=delivery_id)
    events = transaction.execute(
        sa.select(delivery_events)
        .where(delivery_events.c.delivery_id == delivery_id)
        .order_by(delivery_events.c.event_id)
    )
    return _job(row), [DeliveryEvent(event.at, event.action, event.actor, event.comment) for event in events]


def act(
    transaction: Transaction, action: DeliveryAction, delivery_id: int, actor: str, comment: str, now: datetime
) -> DeliveryJob:
    """Apply an action to one delivery.

    An object being sent at this moment may still arrive after it was held or cancelled; then it is SENT.

    Raises
    ------
    NotFoundError
        The delivery does not exist.
    ConflictError
        Its state does not allow the action; the message says which states do.
    """
    if not _change(transaction, action, [delivery_id], now):
        job, _events = show(transaction, delivery_id)
        possible = ", ".join(sorted(state.value for state in action.possible_in))
        raise ConflictError(
            "Delivery {delivery_id} is {state}; {action} is possible while it is {possible}.",
            delivery_id=delivery_id,
            state=job.state.value,
            action=action.value,
            possible=possible,
        )
    _note(transaction, action, [delivery_id], actor, comment, now)
    return show(transaction, delivery_id)[0]


def act_on_all(
    transaction: Transaction, action: DeliveryAction, match: DeliveryFilter, actor: str, comment: str, now: datetime
) -> int:
    """Apply an action to every delivery that matches the filter and the action's states; returns their number."""
    query = sa.select(deliveries.c.delivery_id).select_from(_joined()).where(*_conditions(match))
    ids = list(transaction.execute(query).scalars())
    changed: list[int] = []
    for some in batches(ids):
        changed += _change(transaction, action, some, now)
    for some in batches(changed):
        _note(transaction, action, some, actor, comment, now)
    return len(changed)


def _change(transaction: Transaction, action: DeliveryAction, ids: Sequence[int], now: datetime) -> list[int]:
    values: dict[str, object] = {"state": action.leads_to.value}
    if action.leads_to is DeliveryState.QUEUED:
        values |= {"next_attempt_at": now, "lease_until": None, "failing_since": None}
    if action is DeliveryAction.RESEND:
        values |= {"attempts": 0, "queued_at": now, "transaction_uid": None, "commit_at": None, "committed_at": None}
        values["commit_attempts"] = 0
    changed = transaction.execute(
        sa.update(deliveries)
        .where(
            deliveries.c.delivery_id.in_([DeliveryId(one) for one in ids]),
            deliveries.c.state.in_([state.value for state in action.possible_in]),
        )
        .values(values)
        .returning(deliveries.c.delivery_id)
    )
    return list(changed.scalars())


def _note(
    transaction: Transaction, action: DeliveryAction, ids: Sequence[int], actor: str, comment: str, now: datetime
) -> None:
    event = {"at": now, "action": action.value, "actor": actor, "comment": comment}
    transaction.execute(sa.insert(delivery_events), [{"delivery_id": one, **event} for one in ids])


def _joined() -> sa.FromClause:
    return ITEMS.outerjoin(instances, instances.c.digest == sa.func.coalesce(results.c.digest, events.c.digest))


def _query() -> sa.Select[tuple[object, ...]]:
    return sa.select(
        deliveries,
        sa.func.coalesce(results.c.kind, events.c.event_type).label("kind"),
        instances.c.sop_instance_uid.label("source_sop_instance_uid"),
        instances.c.study_instance_uid,
    ).select_from(_joined())


def _conditions(match: DeliveryFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if match.state:
        conditions.append(deliveries.c.state.in_([state.value for state in match.state]))
    if match.destination:
        conditions.append(deliveries.c.destination == match.destination)
    if match.kind:
        # Events were once kinds of results, filtered as STUDY_FLAGGED.
        event_types = [kind.lower().replace("_", ".") for kind in match.kind]
        conditions.append(
            sa.or_(results.c.kind.in_([kind.upper() for kind in match.kind]), events.c.event_type.in_(event_types))
        )
    if match.uid:
        columns = (instances.c.sop_instance_uid, instances.c.series_instance_uid, instances.c.study_instance_uid)
        conditions.append(sa.or_(deliveries.c.sop_instance_uid == match.uid, *(c == match.uid for c in columns)))
    return conditions


def _job(row: sa.Row[tuple[object, ...]]) -> DeliveryJob:
    return DeliveryJob(
        delivery_id=row.delivery_id,
        destination=row.destination,
        state=DeliveryState(row.state),
        kind=row.kind,
        sop_instance_uid=row.sop_instance_uid or row.event_id,
        source_sop_instance_uid=row.source_sop_instance_uid or "",
        study_instance_uid=row.study_instance_uid or "",
        attempts=row.attempts,
        queued_at=row.queued_at,
        next_attempt_at=row.next_attempt_at,
        sent_at=row.sent_at,
        committed_at=row.committed_at,
        last_error=loaded(row.last_error, row.last_error_phrase),
        note=loaded(row.note, row.note_phrase),
    )
