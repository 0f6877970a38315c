"""Objects that people marked on images that they were not asked to judge; an image's newest marks count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import ImageMarks, RegionOutline
from miqa_node.errors import NotFoundError
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.site_records.labels import load_regions, regions_document
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import instances, marks


def add(
    transaction: Transaction, digest: InstanceDigest, actor: str, regions: Sequence[RegionOutline], now: datetime
) -> ImageMarks:
    """Store all objects that a person saw on an image, in place of earlier marks; NotFoundError if it is unknown."""
    if transaction.execute(sa.select(instances.c.digest).where(instances.c.digest == digest)).first() is None:
        raise NotFoundError("No instance has the digest {digest}.", digest=digest)
    values = {"digest": digest, "at": now, "actor": actor, "regions": regions_document(regions)}
    transaction.execute(sa.insert(marks).values(values))
    detail = {"action": "mark", "regions": len(regions)}
    records.add(transaction, AuditEntry(AuditEvent.DECIDED, now, actor, digest=digest, detail=detail))
    return ImageMarks(digest, now, actor, tuple(regions))


def newest(transaction: Transaction, *where: sa.ColumnElement[bool]) -> dict[InstanceDigest, ImageMarks]:
    """The newest marks of each image that has any, in the order in which they were made."""
    latest = sa.select(sa.func.max(marks.c.mark_id)).where(*where).group_by(marks.c.digest)
    query = sa.select(marks).where(marks.c.mark_id.in_(latest)).order_by(marks.c.mark_id)
    return {InstanceDigest(row.digest): _from_row(row) for row in transaction.execute(query)}


def of_images(transaction: Transaction, digests: Sequence[InstanceDigest]) -> dict[InstanceDigest, ImageMarks]:
    """The newest marks of some images."""
    return newest(transaction, marks.c.digest.in_(digests))


def _from_row(row: Any) -> ImageMarks:
    return ImageMarks(InstanceDigest(row.digest), row.at, row.actor, load_regions(row.regions))
