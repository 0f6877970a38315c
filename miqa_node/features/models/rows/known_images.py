"""Which images the node has received, the evidence for a site's certificate, and how sure packages are of new ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

import sqlalchemy as sa

from miqa_node.runtime.store.batches import batches
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import assessments, copies, dispositions, instances

BATCH = 500


def received(transaction: Transaction, digests: Collection[str]) -> set[str]:
    """Those of some digests of data sets that the node has received, as an image or as a copy of one."""
    matches = set[str]()
    for some in batches(list(digests)):
        for column in (instances.c.digest, instances.c.copy_digest, copies.c.digest):
            matches |= set(transaction.execute(sa.select(column).where(column.in_(some))).scalars())
    return matches


def confidences(
    transaction: Transaction, certificate: str, since: datetime, most: int
) -> Iterator[tuple[datetime, float | None]]:
    """When each image was decided after ``since``, and the confidence if a certificate covers it; the newest ``most``.

    Oldest first.
    """
    newest = (
        sa.select(dispositions.c.digest, dispositions.c.decided_at)
        .where(dispositions.c.decided_at > since)
        .order_by(dispositions.c.decided_at.desc())
        .limit(most)
        .subquery()
    )
    query = (
        sa.select(newest.c.decided_at, assessments.c.document)
        .join(assessments, assessments.c.digest == newest.c.digest)
        .order_by(newest.c.decided_at, newest.c.digest)
        .execution_options(yield_per=BATCH)
    )
    for row in transaction.execute(query):
        covered = (one for one in row.document.get("predictions", ()) if one.get("certificate") == certificate)
        one = next(covered, None)
        yield row.decided_at, None if one is None else float(one["confidence"])
