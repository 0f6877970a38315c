"""Reads what was judged lately, one assessment after the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import assessments, dispositions

BATCH = 100
"""Assessments in memory at a time."""


def judged_since(transaction: Transaction, since: datetime) -> Iterator[Assessment]:
    """The assessment of each image whose newest verdict is of then or later; of a series the row that represents it."""
    query = (
        sa.select(assessments.c.document)
        .join(dispositions, dispositions.c.digest == assessments.c.digest)
        .where(dispositions.c.decided_at >= since)
        .order_by(dispositions.c.decided_at.desc())
        .execution_options(yield_per=BATCH)
    )
    for row in transaction.execute(query):
        yield documents.load_assessment(row.document)
