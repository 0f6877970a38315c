"""Checks that rows, files, jobs and deliveries agree, and repairs what can be repaired without loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from miqa_node.domain.delivery import DeliveryState
from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.ports import ObjectEntry, ObjectStore
from miqa_node.domain.retention import RemovalCause
from miqa_node.store import tables as t
from miqa_node.store.database import Database
from miqa_node.store.retention import delete_marked
from miqa_node.store.upkeep import KINDS, ORPHAN_AGE, shards, sweep_orphans
from miqa_node.store.verification import Soundness, check_original

WORK_AGE = timedelta(hours=1)
"""Minimum age of an image without a job: work on a newer one may be about to begin."""


class Fault(StrEnum):
    """A kind of inconsistency."""

    DATABASE = "database"
    """The database itself is damaged."""
    ORIGINAL_LOST = "original lost"
    """An instance has no file."""
    ORIGINAL_CHANGED = "original changed"
    """The file of an instance has another size, or with ``deep`` another digest."""
    RESULT_LOST = "result lost"
    """A result has no file."""
    NOT_DELETED = "not deleted"
    """A removed file still exists."""
    ORPHAN = "orphan"
    """A file has no row."""
    NO_WORK = "no work"
    """An image has no verdict and no job."""
    UNDELIVERABLE = "undeliverable"
    """A delivery's destination is not configured, or its file is lost."""


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """One inconsistency; ``repaired`` if it is resolved now."""

    fault: Fault
    what: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A node's stores, and its jobs and destinations.

    ``active`` has the digests of images with a running or waiting job; ``begin_work`` creates a new job for an image.
    """

    database: Database
    objects: ObjectStore
    active: AbstractSet[str]
    destinations: AbstractSet[str]
    begin_work: Callable[[sa.Connection, InstanceDigest], None]
    now: datetime

    def run(self, *, repair: bool = False, deep: bool = False) -> Iterator[Inconsistency]:
        """All inconsistencies; with ``deep``, it reads each original and compares its digest."""
        yield from self._check_database()
        if repair:
            while delete_marked(self.database, self.objects, self.now, 200)[0]:
                pass
        for shard in shards():
            entries = {kind: {one.key: one for one in self.objects.entries(f"{kind}/{shard}/")} for kind in KINDS}
            yield from self._check_originals(shard, entries["instances"], repair=repair, deep=deep)
            yield from self._check_results(shard, entries["results"])
            yield from self._check_orphans(shard, repair=repair)
        yield from self._check_work(repair=repair)
        yield from self._check_deliveries()

    def _check_database(self) -> Iterator[Inconsistency]:
        if not self.database.is_sqlite:
            return
        with self.database.begin() as transaction:
            for row in transaction.exec_driver_sql("PRAGMA integrity_check").all():
                if row[0] != "ok":
                    yield Inconsistency(Fault.DATABASE, str(row[0])[:200])
            for row in transaction.exec_driver_sql("PRAGMA foreign_key_check").all():
                yield Inconsistency(Fault.DATABASE, f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}")

    def _check_originals(
        self, shard: str, entries: dict[str, ObjectEntry], *, repair: bool, deep: bool
    ) -> Iterator[Inconsistency]:
        of = t.instances.c
        names = ("digest", "object_key", "size_bytes", "file_bytes", "copy_digest", "removed_at", "deleted_at")
        for row in self._rows(sa.select(*(of[name] for name in names)).where(_begins_with(of.digest, shard))):
            entry = entries.get(row.object_key)  # the listing may be outdated: check contradictions with the row again
            if row.removed_at is None:
                is_expected = not deep and entry is not None and entry.size_bytes == row.file_bytes
                state = Soundness.SOUND if is_expected else check_original(self.objects, row, deep=deep)
                if state is Soundness.LOST:
                    yield Inconsistency(Fault.ORIGINAL_LOST, row.digest, repair and self._mark_lost(row.digest))
                elif state is Soundness.DAMAGED:
                    yield Inconsistency(Fault.ORIGINAL_CHANGED, row.digest)
            elif row.deleted_at is not None and entry is not None and self.objects.exists(row.object_key):
                yield Inconsistency(Fault.NOT_DELETED, row.object_key, repair and self._delete_again(row.digest))

    def _check_results(self, shard: str, entries: dict[str, ObjectEntry]) -> Iterator[Inconsistency]:
        of = t.results.c
        query = (
            sa.select(of.sop_instance_uid, of.object_key)
            .join(t.instances, t.instances.c.digest == of.digest)
            .where(t.instances.c.artifacts_removed_at.is_(None), _begins_with(of.digest, shard), of.object_key != "")
        )
        for row in self._rows(query):
            if row.object_key not in entries and not self.objects.exists(row.object_key):
                yield Inconsistency(Fault.RESULT_LOST, row.sop_instance_uid)

    def _check_orphans(self, shard: str, *, repair: bool) -> Iterator[Inconsistency]:
        if repair:
            count, _size = sweep_orphans(self.database, self.objects, shard, self.now)
        else:
            count, _size = sweep_orphans(self.database, self.objects, shard, self.now, delete=False)
        if count:
            words = f"{count} files of {shard} without a row, older than {ORPHAN_AGE.days} day"
            yield Inconsistency(Fault.ORPHAN, words, repair)

    def _check_work(self, *, repair: bool) -> Iterator[Inconsistency]:
        of = t.instances.c
        pending = sa.select(t.series.c.series_instance_uid).where(t.series.c.pending)
        busy = sa.select(of.series_instance_uid).where(of.digest.in_(list(self.active)[:10_000]))
        in_series = of.series_instance_uid.in_(sa.select(t.series.c.series_instance_uid))
        query = (
            sa.select(of.digest, of.series_instance_uid, in_series.label("is_slice"))
            .outerjoin(t.dispositions, t.dispositions.c.digest == of.digest)
            .where(
                t.dispositions.c.digest.is_(None),
                of.received_at < self.now - WORK_AGE,
                of.series_instance_uid.not_in(pending),
                sa.not_(sa.and_(in_series, of.series_instance_uid.in_(busy))),
            )
        )
        for row in self._rows(query):
            if row.digest not in self.active:
                yield Inconsistency(Fault.NO_WORK, row.digest, repair and self._begin(row))

    def _check_deliveries(self) -> Iterator[Inconsistency]:
        of = t.deliveries.c
        query = sa.select(of.delivery_id, of.destination).where(
            of.state == DeliveryState.QUEUED.value, of.destination.not_in(list(self.destinations))
        )
        for row in self._rows(query):
            words = f"delivery {row.delivery_id} waits for {row.destination}, which is not a destination"
            yield Inconsistency(Fault.UNDELIVERABLE, words)

    def _mark_lost(self, digest: str) -> bool:
        """Mark originals as lost: pages say so, and an object that is sent again is stored again."""
        values = {"removed_at": self.now, "deleted_at": self.now, "removal_cause": RemovalCause.LOST.value}
        with self.database.begin() as transaction:
            transaction.execute(sa.update(t.instances).where(t.instances.c.digest == digest).values(values))
        return True

    def _delete_again(self, digest: str) -> bool:
        with self.database.begin() as transaction:
            transaction.execute(sa.update(t.instances).where(t.instances.c.digest == digest).values(deleted_at=None))
        delete_marked(self.database, self.objects, self.now, 200)
        return True

    def _begin(self, row: Any) -> bool:
        with self.database.begin() as transaction:
            if row.is_slice:
                own = t.series.c.series_instance_uid == row.series_instance_uid
                transaction.execute(sa.update(t.series).where(own).values(pending=True))
            else:
                self.begin_work(transaction, InstanceDigest(row.digest))
        return True

    def _rows(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        with self.database.begin() as transaction:
            return transaction.execute(query).all()


def _begins_with(column: sa.ColumnElement[str], shard: str) -> sa.ColumnElement[bool]:
    """A prefix as an index range, because LIKE does not use the index on every database."""
    return sa.and_(column >= shard, column < f"{shard}g")
