"""How many notices to people wait, failed and were sent, for those who operate the node."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from miqa_node.core.domain.notice import NoticeState
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.phrase_columns import loaded
from miqa_node.runtime.store.tables import notices

_UNSENT = (NoticeState.WAITING.value, NoticeState.FAILED.value)


@dataclass(frozen=True, slots=True)
class NoticeStatus:
    """The status of notices. ``last_error`` is that of the newest failed attempt."""

    waiting: int
    retried: int
    """Number of waiting notices with failed attempts."""
    failed: int
    """In the last week."""
    last_error: str
    last_sent_at: datetime | None


def status(transaction: Transaction, now: datetime) -> NoticeStatus:
    """The current status of notices."""
    of = notices.c
    counts = sa.select(of.state, sa.func.count(), sa.func.sum(sa.case((of.last_error != "", 1), else_=0)))
    counts = counts.where(of.made_at >= now - timedelta(days=7)).group_by(of.state)
    states = {row[0]: (int(row[1]), int(row[2])) for row in transaction.execute(counts)}
    newest = sa.select(of.last_error, of.last_error_phrase).where(of.last_error != "", of.state.in_(_UNSENT))
    row = transaction.execute(newest.order_by(of.next_attempt_at.desc()).limit(1)).one_or_none()
    error = loaded(*row) if row else ""
    sent = transaction.execute(sa.select(sa.func.max(of.sent_at))).scalar_one()
    waiting = states.get(NoticeState.WAITING, (0, 0))
    return NoticeStatus(waiting[0], waiting[1], states.get(NoticeState.FAILED, (0, 0))[0], error, sent)
