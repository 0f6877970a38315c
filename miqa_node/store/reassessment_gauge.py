"""Images that wait to be judged again, for ``/metrics``."""

from __future__ import annotations

from datetime import datetime

from miqa_node.observe import metrics
from miqa_node.store import reassessments
from miqa_node.store.database import Transaction
from miqa_node.store.gauge import GaugeKind


def _count(transaction: Transaction, _now: datetime) -> None:
    metrics.REASSESSMENTS_WAITING.set(reassessments.count_waiting(transaction))


GAUGE = GaugeKind("reassessments", lambda: _count)
