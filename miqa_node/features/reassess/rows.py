"""Images that wait to be judged again, for ``/metrics``."""

from __future__ import annotations

from datetime import datetime

from miqa_node.core.observe import metrics
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.gauge import GaugeKind
from miqa_node.stages.units.rows import reassessments


def _count(transaction: Transaction, _now: datetime) -> None:
    metrics.REASSESSMENTS_WAITING.set(reassessments.count_waiting(transaction))


GAUGE = GaugeKind("reassessments", lambda: _count)
