"""The node's state at a glance, with queries that stay fast with millions of images."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import deliveries, dispositions, instances, phantom_series, worklist_events
from miqa_node.stages.units.rows.instances import count_undecided

MOST = 10_000
"""Counting stops here; pages then show "10,000+"."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts, each up to :data:`MOST`: images since a moment, deliveries and studies now."""

    unresolved: int
    predictions_waiting: int
    received: int
    in_work: int
    accepted: int
    not_assessed: int
    deliveries_waiting: int
    deliveries_failed: int


def look(transaction: Transaction, since: datetime) -> Overview:
    """Count the figures of the overview."""
    verdicts: dict[str, int] = {
        row[0]: int(row[1])
        for row in transaction.execute(
            sa.select(dispositions.c.verdict, sa.func.count())
            .where(dispositions.c.decided_at >= since)
            .group_by(dispositions.c.verdict)
        )
    }
    recent = instances.c.received_at >= since
    unresolved = worklist.WorklistFilter(state=tuple(worklist.UNRESOLVED))
    return Overview(
        unresolved=worklist.count(transaction, unresolved, MOST),
        predictions_waiting=worklist.count(transaction, unresolved.model_copy(update={"pending_review": True}), MOST),
        received=_count(transaction, sa.select(instances.c.digest).where(recent)),
        in_work=min(MOST, count_undecided(transaction, since)),
        accepted=verdicts.get(Verdict.ACCEPT, 0),
        not_assessed=max(0, verdicts.get(Verdict.NOT_ASSESSED, 0) - _phantom_slices(transaction, since)),
        deliveries_waiting=_deliveries(transaction, DeliveryState.QUEUED),
        deliveries_failed=_deliveries(transaction, DeliveryState.FAILED),
    )


def pulse(transaction: Transaction) -> tuple[object, ...]:
    """A value that changes with every arrival, verdict or action of a person; cheap to query."""
    return (
        transaction.execute(sa.select(sa.func.max(worklist_events.c.event_id))).scalar_one(),
        transaction.execute(sa.select(sa.func.max(dispositions.c.decided_at))).scalar_one(),
        transaction.execute(sa.select(sa.func.max(instances.c.received_at))).scalar_one(),
    )


def _deliveries(transaction: Transaction, state: DeliveryState) -> int:
    return _count(transaction, sa.select(deliveries.c.delivery_id).where(deliveries.c.state == state.value))


def _phantom_slices(transaction: Transaction, since: datetime) -> int:
    """Number of phantom instances with a verdict since then, which show no patient."""
    of = phantom_series.c
    same_series = instances.c.series_instance_uid == of.series_instance_uid
    query = (
        sa.select(sa.func.count())
        .select_from(phantom_series)
        .join(instances, sa.and_(same_series, instances.c.study_instance_uid == of.study_instance_uid))
        .join(dispositions, dispositions.c.digest == instances.c.digest)
        .where(of.is_phantom, dispositions.c.decided_at >= since)
    )
    return transaction.execute(query).scalar_one()


def _count(transaction: Transaction, query: sa.Select[tuple[object]]) -> int:
    return transaction.execute(sa.select(sa.func.count()).select_from(query.limit(MOST).subquery())).scalar_one()
