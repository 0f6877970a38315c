"""Deletes the files of images whose rows retention, an erasure or fsck marked before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store import damages
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.object_keys import maps_key, preview_key, snapshot_key
from miqa_node.stages.units.rows import copies

_of = t.instances.c


def delete_marked(database: Database, objects: ObjectStore, now: datetime, limit: int) -> tuple[int, int]:
    """Delete the files of up to ``limit`` marked originals and as many sets of artifacts.

    Returns the number of originals and their bytes. The rows are locked while files are deleted, so an image that
    arrives again at this moment is either stored or refused, never half of each.
    """
    count = size = 0
    with database.begin() as transaction:
        due = sa.select(_of.digest).where(_of.removed_at.is_not(None), _of.deleted_at.is_(None)).limit(limit)
        originals = transaction.execute(
            sa.update(t.instances)
            .where(_of.digest.in_(due), _of.removed_at.is_not(None), _of.deleted_at.is_(None))
            .values(deleted_at=now)
            .returning(_of.object_key, _of.size_bytes, _of.digest, _of.study_instance_uid, _of.removal_cause)
        ).all()
        records.add(transaction, *(_audit(row, now) for row in originals))
        files = copies.keys(transaction, [row.digest for row in originals])
        objects.delete([*files, *(row.object_key for row in originals)])
        damages.clear(transaction, [row.object_key for row in originals])
        count, size = len(originals), sum(row.size_bytes for row in originals)
    with database.begin() as transaction:
        removed, deleted = _of.artifacts_removed_at, _of.artifacts_deleted_at
        due = sa.select(_of.digest).where(removed.is_not(None), deleted.is_(None)).limit(limit)
        digests = transaction.execute(
            sa.update(t.instances)
            .where(_of.digest.in_(due), removed.is_not(None), deleted.is_(None))
            .values(artifacts_deleted_at=now)
            .returning(_of.digest)
        ).scalars()
        keys = artifact_keys(transaction, [InstanceDigest(one) for one in digests])
        objects.delete(keys)
        damages.clear(transaction, keys)
    return count, size


def _audit(row: sa.Row[Any], now: datetime) -> AuditEntry:
    detail = {"cause": row.removal_cause}
    return AuditEntry(AuditEvent.REMOVED, now, study=row.study_instance_uid, digest=row.digest, detail=detail)


def artifact_keys(transaction: Transaction, digests: Sequence[InstanceDigest]) -> list[str]:
    """Keys of all artifacts made from images."""
    query = sa.select(t.results.c.object_key).where(t.results.c.digest.in_(digests))
    made = [key for key in transaction.execute(query).scalars() if key]
    judged = sa.select(_of.digest, _of.generation).where(_of.digest.in_(digests))
    keys = [
        key(InstanceDigest(row.digest), generation)
        for row in transaction.execute(judged)
        for generation in range(row.generation + 1)
        for key in (maps_key, snapshot_key)
    ]
    return [*made, *map(preview_key, digests), *keys]
