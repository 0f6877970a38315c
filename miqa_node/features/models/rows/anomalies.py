"""Anomaly scores of assessed images, the data of a site's own baseline."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import assessments


def newest_scores(transaction: Transaction, model_sha256: str, *, limit: int) -> list[float]:
    """Scores of the newest images judged by the graph with this checksum, without images that have no score."""
    query = (
        sa.select(assessments.c.document)
        .where(assessments.c.model_sha256 == model_sha256)
        .order_by(assessments.c.assessed_at.desc())
        .limit(limit)
    )
    judged = (documents.load_assessment(row.document) for row in transaction.execute(query))
    return [one.anomaly.score for one in judged if one.anomaly is not None]
