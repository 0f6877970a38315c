"""Database views for sites' own queries: created by a migration, described in docs/reference/analysis-schema.md."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import sqlalchemy as sa

from miqa_node.runtime.store.database import Transaction

VIEWS: dict[str, str] = {
    "images": "day",
    "days": "day",
    "labels": "day",
    "label_findings": "day",
    "findings": "day",
    "measurements": "week",
    "logged_rejects": "day",
}
"""Name without ``analysis_`` → its time column."""
ROWS_AT_ONCE = 5000


def read(transaction: Transaction, view: str, first: date, last: date) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Column names of a view, and its rows from the first day to the last."""
    when = sa.column(VIEWS[view], sa.Date)
    query = (
        sa.select(sa.text("*"))
        .select_from(sa.table(f"analysis_{view}"))
        .where(when >= first, when <= last)
        .order_by(when)
    )
    result = transaction.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
    return list(result.keys()), (tuple(row) for row in result)
