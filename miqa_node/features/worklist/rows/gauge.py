"""Studies that nobody has resolved, for ``/metrics``."""

from __future__ import annotations

from datetime import datetime

from miqa_node.core.domain.worklist import WorklistState
from miqa_node.core.observe import metrics
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.gauge import GaugeKind

UNRESOLVED = worklist.WorklistFilter(state=(WorklistState.OPEN, WorklistState.CLAIMED))


def _count(transaction: Transaction, _now: datetime) -> None:
    metrics.WORKLIST_OPEN.set(worklist.count(transaction, UNRESOLVED))


GAUGE = GaugeKind("worklist", lambda: _count)
