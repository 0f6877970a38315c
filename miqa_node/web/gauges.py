"""Prometheus gauges with counts from the database."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Lock

import structlog

from miqa_node.domain.delivery import DeliveryState
from miqa_node.domain.worklist import WorklistState
from miqa_node.errors import MiqaError
from miqa_node.observe import metrics
from miqa_node.store import damages, deliveries, instances, reassessments, worklist
from miqa_node.store import notice_status as notices
from miqa_node.store.database import Database

MIN_REFRESH_S = 5.0
"""Minimum time between two counts, however many clients scrape."""

log = structlog.get_logger(__name__)


class DatabaseGauges:
    """Counts waiting jobs, deliveries and worklist items for ``/metrics``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._undecided = instances.UndecidedCount()
        self._counted_at = -MIN_REFRESH_S

    def refresh(self) -> None:
        """Count again, unless the last count is more recent than MIN_REFRESH_S."""
        with self._lock:
            now = time.monotonic()
            if now - self._counted_at < MIN_REFRESH_S:
                return
            self._counted_at = now
            try:
                self._count()
            except MiqaError as error:
                log.warning("metrics are not counted", error=error)

    def _count(self) -> None:
        with self._database.begin() as transaction:
            waiting = self._undecided.count(transaction, datetime.now(UTC))
            undelivered = deliveries.count_undelivered(transaction)
            oldest = deliveries.oldest_undelivered(transaction)
            unresolved = worklist.WorklistFilter(state=(WorklistState.OPEN, WorklistState.CLAIMED))
            flagged = worklist.count(transaction, unresolved)
            again = reassessments.count_waiting(transaction)
            mails = notices.status(transaction, datetime.now(UTC))
            unsound = damages.count(transaction)
        metrics.JOBS_WAITING.set(waiting)
        metrics.WORKLIST_OPEN.set(flagged)
        metrics.NOTICES_UNSENT.labels(state="waiting").set(mails.retried)
        metrics.NOTICES_UNSENT.labels(state="failed").set(mails.failed)
        metrics.REASSESSMENTS_WAITING.set(again)
        for (kind, state), number in unsound.items():
            metrics.OBJECTS_UNSOUND.labels(kind=kind, state=state.value).set(number)
        now = datetime.now(UTC)
        for destination, by_state in undelivered.items():
            age = now - oldest.get(destination, now)
            metrics.DELIVERY_OLDEST_SECONDS.labels(destination=destination).set(max(0.0, age.total_seconds()))
            metrics.DELIVERIES_WAITING.labels(destination=destination).set(by_state[DeliveryState.QUEUED])
            metrics.DELIVERIES_FAILED.labels(destination=destination).set(by_state[DeliveryState.FAILED])
