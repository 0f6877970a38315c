"""The list of monthly reports."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from miqa_node.features.analysis.tables import analysis_reports
from miqa_node.runtime.store.database import Transaction, insert_or_ignore


def record(transaction: Transaction, month: str, made_at: datetime) -> bool:
    """Record that a month's report is in the object store; False if already recorded."""
    return insert_or_ignore(transaction, analysis_reports, {"month": month, "made_at": made_at})


def known(transaction: Transaction, month: str) -> bool:
    """Whether there is a report for the month."""
    query = sa.select(analysis_reports.c.month).where(analysis_reports.c.month == month)
    return transaction.execute(query).first() is not None


def months(transaction: Transaction, *, limit: int) -> list[str]:
    """Months with a report, the newest first."""
    query = sa.select(analysis_reports.c.month).order_by(analysis_reports.c.month.desc()).limit(limit)
    return list(transaction.execute(query).scalars())
