"""Which monthly reports were made."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from miqa_node.store.database import Transaction, insert_or_ignore
from miqa_node.store.tables import analysis_reports


def record(transaction: Transaction, month: str, made_at: datetime) -> bool:
    """Note that the report of a month lies in the object store; False when that was known."""
    return insert_or_ignore(transaction, analysis_reports, {"month": month, "made_at": made_at})


def known(transaction: Transaction, month: str) -> bool:
    """Whether there is a report of the month."""
    query = sa.select(analysis_reports.c.month).where(analysis_reports.c.month == month)
    return transaction.execute(query).first() is not None


def months(transaction: Transaction, *, limit: int) -> list[str]:
    """Months with a report, the newest first."""
    query = sa.select(analysis_reports.c.month).order_by(analysis_reports.c.month.desc()).limit(limit)
    return list(transaction.execute(query).scalars())
