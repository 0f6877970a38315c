"""Notices that wait to be sent, for ``/metrics``."""

from __future__ import annotations

from datetime import datetime

from miqa_node.observe import metrics
from miqa_node.store import notice_status as notices
from miqa_node.store.database import Transaction
from miqa_node.store.gauge import GaugeKind


def _count(transaction: Transaction, now: datetime) -> None:
    mails = notices.status(transaction, now)
    metrics.NOTICES_UNSENT.labels(state="waiting").set(mails.retried)
    metrics.NOTICES_UNSENT.labels(state="failed").set(mails.failed)


GAUGE = GaugeKind("notices", lambda: _count)
