"""The seam ``miqa.gauges``: counts from the database for ``/metrics``, and those of the way of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.observe import metrics
from miqa_node.plugins import Seam
from miqa_node.runtime.store import damages
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances

Count = Callable[[Transaction, datetime], None]
"""Counts as of a moment, and sets its metrics."""


@dataclass(frozen=True, slots=True)
class GaugeKind:
    """One or several metrics that are counted together; ``open`` is called once per application."""

    name: str
    open: Callable[[], Count]


GAUGES: Seam[GaugeKind] = Seam("gauges", GaugeKind)


class ImageCount:
    """Images that wait for a verdict; those of earlier days are not counted each time."""

    def __init__(self) -> None:
        self.undecided = instances.UndecidedCount()

    def __call__(self, transaction: Transaction, now: datetime) -> None:
        """Count them."""
        metrics.JOBS_WAITING.set(self.undecided.count(transaction, now))


def _count_deliveries(transaction: Transaction, now: datetime) -> None:
    oldest = deliveries.oldest_undelivered(transaction)
    for destination, by_state in deliveries.count_undelivered(transaction).items():
        age = now - oldest.get(destination, now)
        metrics.DELIVERY_OLDEST_SECONDS.labels(destination=destination).set(max(0.0, age.total_seconds()))
        metrics.DELIVERIES_WAITING.labels(destination=destination).set(by_state[DeliveryState.QUEUED])
        metrics.DELIVERIES_FAILED.labels(destination=destination).set(by_state[DeliveryState.FAILED])


def _count_damages(transaction: Transaction, _now: datetime) -> None:
    for (kind, state), number in damages.count(transaction).items():
        metrics.OBJECTS_UNSOUND.labels(kind=kind, state=state.value).set(number)


IMAGES = GaugeKind("images", ImageCount)
DELIVERIES = GaugeKind("deliveries", lambda: _count_deliveries)
DAMAGES = GaugeKind("damages", lambda: _count_damages)
