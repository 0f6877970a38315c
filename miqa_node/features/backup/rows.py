"""Checks that rows, files, jobs and deliveries agree, and repairs what can be repaired without loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.object_store import ObjectEntry, ObjectStore
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.observe.progress import counted
from miqa_node.errors import ResourcesError
from miqa_node.runtime.site_records.retention_clock import MEND
from miqa_node.runtime.store import damages
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import KINDS
from miqa_node.runtime.store.integrity import RESTORE, damaged_pages, words_of_damage
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.upkeep import ORPHAN_AGE, in_shard, shards, sweep_orphans
from miqa_node.runtime.store.verification import Soundness, check, check_original, check_result, drop_bad_copy
from miqa_node.stages.units.rows import copies
from miqa_node.stages.units.rows.removal import delete_marked

LONGEST_S = 24 * 3600.0
"""Time for the check of the database's pages."""
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
    ORIGINAL_FOUND = "original found"
    """An original that was marked as lost is there, and sound."""
    COPY_LOST = "copy lost"
    """The file of a copy of an image is missing or was changed; the image's own is there."""
    RESULT_LOST = "result lost"
    """A result has no file."""
    RESULT_CHANGED = "result changed"
    """The file of a result has another size, or with ``deep`` another digest."""
    COPY_DAMAGED = "copy damaged"
    """This machine's copy of an object in a bucket was damaged, and has been dropped."""
    UNREADABLE = "unreadable"
    """An object cannot be read now."""
    NOT_DELETED = "not deleted"
    """A removed file still exists."""
    ORPHAN = "orphan"
    """A file has no row."""
    NO_WORK = "no work"
    """An image has no verdict and no job."""
    UNDELIVERABLE = "undeliverable"
    """A delivery's destination is not configured, or its file is lost."""


_ORIGINAL = {Soundness.LOST: Fault.ORIGINAL_LOST, Soundness.DAMAGED: Fault.ORIGINAL_CHANGED}
_RESULT = {Soundness.LOST: Fault.RESULT_LOST, Soundness.DAMAGED: Fault.RESULT_CHANGED}


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """One inconsistency; ``repaired`` if it is resolved now."""

    fault: Fault
    what: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A node's stores, and its jobs and destinations.

    ``active`` returns the digests of images with a running or waiting job; ``begin_work`` creates one for an image.
    """

    database: Database
    objects: ObjectStore
    active: Callable[[], AbstractSet[str]]
    destinations: AbstractSet[str]
    begin_work: Callable[[sa.Connection, InstanceDigest], None]
    now: datetime
    removes_orphans: bool = True
    """False while the clock may be wrong: orphans have to be of a certain age."""

    def run(self, *, repair: bool = False, deep: bool = False) -> Iterator[Inconsistency]:
        """All inconsistencies; with ``deep``, it reads each original and each result and compares its digest."""
        damage = list(damaged_pages(self.database.engine, LONGEST_S, whole=True))
        yield from self._check_database(damage)
        repair = repair and not damage  # rows that cannot be read look like rows that are gone
        if repair:
            while delete_marked(self.database, self.objects, self.now, 200)[0]:
                pass
        for shard in counted(shards(), "Comparing"):
            yield from self._past_damage(self._check_shard(shard, repair=repair, deep=deep))
        yield from self._past_damage(self._check_work(repair=repair))
        yield from self._past_damage(self._check_deliveries())

    def _check_shard(self, shard: str, *, repair: bool, deep: bool) -> Iterator[Inconsistency]:
        entries = {kind: {one.key: one for one in self.objects.entries(f"{kind}/{shard}/")} for kind in KINDS}
        yield from self._check_originals(shard, entries["instances"], repair=repair, deep=deep)
        yield from self._check_copies(shard, repair=repair, deep=deep)
        yield from self._check_results(shard, entries["results"], deep=deep)
        yield from self._check_orphans(shard, repair=repair)

    def _past_damage(self, lines: Iterator[Inconsistency]) -> Iterator[Inconsistency]:
        """The results of a check, which ends where it meets damaged pages: the database's own check names them."""
        try:
            yield from lines
        except (ResourcesError, sa.exc.DatabaseError) as error:
            if not words_of_damage(getattr(error, "orig", None) or getattr(error.__cause__, "orig", None)):
                raise

    def _check_database(self, damage: Sequence[str]) -> Iterator[Inconsistency]:
        if damage:
            lines = (*damage, f"{RESTORE} What lies on damaged pages is not compared, and nothing is repaired.")
            yield from (Inconsistency(Fault.DATABASE, line[:200]) for line in lines)
        elif self.database.is_sqlite:
            with self.database.begin() as transaction:
                for row in transaction.exec_driver_sql("PRAGMA foreign_key_check").all():
                    words = f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}"
                    yield Inconsistency(Fault.DATABASE, words)

    def _check_originals(
        self, shard: str, entries: dict[str, ObjectEntry], *, repair: bool, deep: bool
    ) -> Iterator[Inconsistency]:
        of = t.instances.c
        names = ("digest", "object_key", "size_bytes", "file_bytes", "copy_digest", "removed_at", "removal_cause")
        query = sa.select(*(of[name] for name in names), of.deleted_at, t.damages.c.state.label("damage"))
        query = query.outerjoin_from(t.instances, t.damages, t.damages.c.object_key == of.object_key)
        for row in self._rows(query.where(in_shard(of.digest, shard))):
            entry = entries.get(row.object_key)  # the listing may be outdated: check contradictions with the row again
            if row.removed_at is None:
                size, mend = row.file_bytes, partial(self._mark_lost, row.digest, row.object_key)
                yield from self._check_object(
                    row, entry, size, check_original, _ORIGINAL, mend if repair else None, deep
                )
            elif entry is not None and (state := self._state_of_removed(row)) is not Soundness.LOST:
                if row.removal_cause == RemovalCause.LOST.value:
                    if state is Soundness.SOUND:
                        yield Inconsistency(Fault.ORIGINAL_FOUND, row.digest, repair and self._mark_found(row.digest))
                elif row.deleted_at is not None:
                    yield Inconsistency(Fault.NOT_DELETED, row.object_key, repair and self._delete_again(row.digest))

    def _state_of_removed(self, row: Any) -> Soundness | None:
        """The state of a file that should not be there; None if it cannot be read now. Only lost ones are read."""
        try:
            if row.removal_cause == RemovalCause.LOST.value:
                return check_original(self.objects, row)
            return Soundness.SOUND if self.objects.exists(row.object_key) else Soundness.LOST
        except (ResourcesError, OSError):
            return None

    def _check_copies(self, shard: str, *, repair: bool, deep: bool) -> Iterator[Inconsistency]:
        of = t.copies.c
        query = (
            sa.select(of.digest, of.file_bytes, t.instances.c.object_key)
            .join(t.instances, t.instances.c.digest == of.of)
            .where(
                t.instances.c.removed_at.is_(None),
                in_shard(of.digest, shard),
            )
        )
        for row in self._rows(query):
            key = original_key(row.digest)  # that of the row of the instance is its original, and was checked
            if key == row.object_key:
                continue
            try:
                state = check(self.objects, key, row.file_bytes, row.digest, deep=deep)
            except ResourcesError as error:
                yield Inconsistency(Fault.UNREADABLE, f"{row.digest}: {error}")
                continue
            if state is not Soundness.SOUND:
                yield Inconsistency(Fault.COPY_LOST, row.digest, repair and self._forget_copy(row.digest))

    def _check_results(self, shard: str, entries: dict[str, ObjectEntry], *, deep: bool) -> Iterator[Inconsistency]:
        of = t.results.c
        columns = (of.sop_instance_uid, of.digest, of.object_key, of.size_bytes, of.sha256)
        query = sa.select(*columns, t.damages.c.state.label("damage")).join_from(t.results, t.instances)
        query = query.outerjoin(t.damages, t.damages.c.object_key == of.object_key).where(
            t.instances.c.artifacts_removed_at.is_(None), in_shard(of.digest, shard), of.object_key != ""
        )
        for row in self._rows(query):
            entry = entries.get(row.object_key)
            yield from self._check_object(row, entry, row.size_bytes, check_result, _RESULT, None, deep)

    def _check_object(
        self,
        row: Any,
        entry: ObjectEntry | None,
        size: int | None,
        check: Callable[..., Soundness],
        faults: Mapping[Soundness, Fault],
        mark_lost: Callable[[], bool] | None,
        deep: bool,
    ) -> Iterator[Inconsistency]:
        """Compare one object with its row; a damage raises the alert, and its end ends it."""
        name = row.digest if check is check_original else row.sop_instance_uid
        is_as_listed = not deep and entry is not None and entry.size_bytes == size
        try:
            state = Soundness.SOUND if is_as_listed else check(self.objects, row, deep=deep)
        except ResourcesError as error:
            yield Inconsistency(Fault.UNREADABLE, f"{name}: {error}")
            return
        if state is Soundness.SOUND:
            digest = (row.copy_digest or row.digest) if check is check_original else row.sha256
            if deep and digest and drop_bad_copy(self.objects, row.object_key, digest):
                yield Inconsistency(Fault.COPY_DAMAGED, name, True)
            if row.damage and deep:  # without a look at the bytes it may still be damaged
                self._note(row, state)
            return
        if not self._is_kept(row, check is check_original):
            return
        self._note(row, state)
        is_marked = state is Soundness.LOST and mark_lost is not None and mark_lost()
        yield Inconsistency(faults[state], name, is_marked)

    def _is_kept(self, row: Any, is_original: bool) -> bool:
        """Whether the row still has the object; while it was read, retention or an erasure may have removed it."""
        of, made = t.instances.c, t.results.c
        if is_original:
            query = sa.select(of.digest).where(of.object_key == row.object_key, of.removed_at.is_(None))
        else:
            query = sa.select(made.digest).join_from(t.results, t.instances)
            query = query.where(made.object_key == row.object_key, of.artifacts_removed_at.is_(None))
        with self.database.begin() as transaction:
            return transaction.execute(query.where(of.digest == row.digest)).first() is not None

    def _note(self, row: Any, state: Soundness) -> None:
        with self.database.begin() as transaction:
            damages.note(transaction, row.object_key, InstanceDigest(row.digest), state, self.now)

    def _check_orphans(self, shard: str, *, repair: bool) -> Iterator[Inconsistency]:
        removes = repair and self.removes_orphans
        count, _size = sweep_orphans(self.database, self.objects, shard, self.now, delete=removes)
        if count:
            words = f"{count} files of {shard} without a row, older than {ORPHAN_AGE.days} day"
            stay = f"; they stay, since the clock made a step. {MEND}" if repair and not removes else ""
            yield Inconsistency(Fault.ORPHAN, f"{words}{stay}", removes)

    def _check_work(self, *, repair: bool) -> Iterator[Inconsistency]:
        of, active = t.instances.c, self.active()
        pending = sa.select(t.series.c.series_instance_uid).where(t.series.c.pending)
        busy = sa.select(of.series_instance_uid).where(of.digest.in_(list(active)[:10_000]))
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
            if row.digest not in active:
                yield Inconsistency(Fault.NO_WORK, row.digest, repair and self._begin(row))

    def _check_deliveries(self) -> Iterator[Inconsistency]:
        of = t.deliveries.c
        query = (
            sa.select(of.destination, sa.func.count().label("waiting"))
            .where(of.state == DeliveryState.QUEUED.value, of.destination.not_in(list(self.destinations)))
            .group_by(of.destination)
            .order_by(of.destination)
        )
        for row in self._rows(query):
            wait = "1 delivery waits" if row.waiting == 1 else f"{row.waiting} deliveries wait"
            yield Inconsistency(Fault.UNDELIVERABLE, f"{wait} for {row.destination}, which is not a destination")

    def _forget_copy(self, digest: str) -> bool:
        """Sent again, it is compared again."""
        with self.database.begin() as transaction:
            transaction.execute(sa.delete(t.copies).where(t.copies.c.digest == digest))
        return True

    def _mark_lost(self, digest: str, object_key: str) -> bool:
        """Mark originals as lost: pages say so, and an object that is sent again is stored again.

        The file of a copy takes the place of a lost one.
        """
        values = {"removed_at": self.now, "deleted_at": self.now, "removal_cause": RemovalCause.LOST.value}
        with self.database.begin() as transaction:
            if not copies.stand_in(transaction, InstanceDigest(digest), self._is_sound):
                is_kept = (t.instances.c.digest == digest, t.instances.c.removed_at.is_(None))
                transaction.execute(sa.update(t.instances).where(*is_kept).values(values))
            damages.clear(transaction, [object_key])
        return True

    def _is_sound(self, key: str, size: int | None, digest: str) -> bool:
        return check(self.objects, key, size, digest, deep=True) is Soundness.SOUND

    def _mark_found(self, digest: str) -> bool:
        values = {"removed_at": None, "deleted_at": None, "removal_cause": "", "restored_at": self.now}
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
