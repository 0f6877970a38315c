"""Notices that wait to be sent, for ``/metrics``."""

from __future__ import annotations

from datetime import datetime

from miqa_node.core.observe import metrics
from miqa_node.runtime.site_records import notice_status as notices
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.gauge import GaugeKind


def _count(transaction: Transaction, now: datetime) -> None:
    mails = notices.status(transaction, now)
    metrics.NOTICES_UNSENT.labels(state="waiting").set(mails.retried)
    metrics.NOTICES_UNSENT.labels(state="failed").set(mails.failed)


GAUGE = GaugeKind("notices", lambda: _count)
