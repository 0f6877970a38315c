"""Retention: keeps what the node holds within the site's limits, by age and by free disk space.

Several processes may do this on one database: each leaves the objects that another has marked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle

import structlog

from miqa_node.core.domain.object_store import DiskSpace, ObjectStore
from miqa_node.core.domain.retention import RetentionGroup
from miqa_node.core.observe import metrics
from miqa_node.core.settings import Settings
from miqa_node.features.retention.rows import retention
from miqa_node.features.retention.rows.retention import AgeLimits
from miqa_node.features.retention.rows.retention_walk import RetentionWalk
from miqa_node.parts import PartContext, PartKind, StartMoment
from miqa_node.runtime.store import upkeep
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.work.clock_trust import ClockTrust
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.receive.rows.reserve import DiskReserve
from miqa_node.stages.units.rows import removal

log = structlog.get_logger(__name__)

BATCH = 200
MARGIN_PERCENT = 2.0
"""Free space above the limit at which removal stops, so not every new image has to wait for a removal."""

RECLAIM_S = 10.0
"""Longest time that a sender waits for space."""

SHARE_FOR_SPACE = 0.5
"""Share of the time that is spent at most on reading again what stayed, while space is short."""

REPORT_INTERVAL = timedelta(days=1)
SWEEP_INTERVAL = timedelta(minutes=5)

Mark = Callable[[Transaction, datetime, RetentionWalk], int]


@dataclass(frozen=True, slots=True)
class RemovalStep:
    """One kind of removal, and how far it came."""

    mark: Mark
    walk: RetentionWalk


def _steps_by_age(settings: Settings) -> Sequence[RemovalStep]:
    limits, age = AgeLimits.of(settings), timedelta(days=settings.retention.artifacts_days)

    def originals(transaction: Transaction, now: datetime, walk: RetentionWalk) -> int:
        return retention.remove_old(transaction, limits, now, BATCH, walk)

    def artifacts(transaction: Transaction, now: datetime, walk: RetentionWalk) -> int:
        return retention.remove_artifacts(transaction, now - age, now, BATCH, walk)

    return [RemovalStep(mark, RetentionWalk()) for mark in ((originals, artifacts) if age else (originals,))]


def _steps_for_space() -> Sequence[RemovalStep]:
    """From what is needed least."""

    def of_group(group: RetentionGroup) -> RemovalStep:
        def originals(transaction: Transaction, now: datetime, walk: RetentionWalk) -> int:
            return retention.remove_for_space(transaction, group, now, BATCH, walk)

        return RemovalStep(originals, RetentionWalk(SHARE_FOR_SPACE))

    def artifacts(transaction: Transaction, now: datetime, walk: RetentionWalk) -> int:
        return retention.remove_artifacts(transaction, None, now, BATCH, walk)

    bare = RemovalStep(artifacts, RetentionWalk(SHARE_FOR_SPACE))
    return of_group(RetentionGroup.ACCEPTED), bare, of_group(RetentionGroup.FLAGGED), bare


class Retention(RegularWork):
    """A thread that polls; other threads may call ``reclaim``, also if this one does not run."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        settings: Settings,
        reserve: DiskReserve | None = None,
        clock: ClockTrust | None = None,
    ) -> None:
        super().__init__("retention", settings.retention.interval_s, "retention waits for the database")
        self._database = database
        self._objects = objects
        self._settings = settings
        self._rules = settings.retention
        self._reserve = reserve or DiskReserve(database, objects, settings)
        self._clock = clock or ClockTrust(database, settings.retention.clock_step)
        self._turn = threading.Lock()
        self._shards = cycle(upkeep.shards())
        self._by_age, self._for_space = _steps_by_age(settings), _steps_for_space()
        self._on: bool | None = None
        self._stays_short = False
        self._reported_at = self._swept_at = datetime.min.replace(tzinfo=UTC)

    def look(self) -> None:
        """Remove due objects; if retention is switched off, report what would be removed."""
        now = datetime.now(UTC)
        trusted_now = self._clock.now()
        self._watch_disk(now)
        self._delete_marked()  # including erasures, and objects marked before retention was switched off
        if not self._is_on():
            if now - self._reported_at >= REPORT_INTERVAL:
                self._reported_at = now
                self._report(now)
            return
        with self._turn:
            for step in self._by_age if trusted_now else ():
                self._remove(step, trusted_now)
            self._make_space(self._space_needed(), float("inf"))
        if trusted_now is None:  # orphans, too, have to be of a certain age
            return
        self._forget(now)
        if now - self._swept_at >= SWEEP_INTERVAL:
            self._swept_at = now
            self._sweep(now)

    def reclaim(self) -> bool:
        """Free space now, because an image waits for it; False if retention is off or there is enough space."""
        if not (self._is_short(self._objects.space()) and self._is_on()):
            return False
        until = time.monotonic() + RECLAIM_S
        if self._turn.acquire(timeout=RECLAIM_S):  # the thread may be at it, and its work frees space, too
            try:
                self._make_space(self._space_needed(), until)
            finally:
                self._turn.release()
        return True

    def _is_on(self) -> bool:
        if self._on is None:
            with self._database.begin() as transaction:
                self._on = retention.is_on(transaction, self._rules.enabled)
            log.info("retention", removes=self._on, enabled=self._rules.enabled)
        return self._on

    def _space_needed(self) -> float:
        """Free bytes that retention aims for; 0 if the disk is not limited."""
        space = self._objects.space()
        if space is None or not self._rules.min_free_percent:
            return 0.0
        percent = min(self._rules.min_free_percent + MARGIN_PERCENT, 99.0)
        floor = self._reserve.needed_bytes * (1.0 + MARGIN_PERCENT / 100.0)
        return max(space.total_bytes * percent / 100.0, floor)

    def _is_short(self, space: DiskSpace | None) -> bool:
        if space is None or not self._rules.min_free_percent:
            return False
        low = space.free_percent < self._rules.min_free_percent
        return low or space.free_bytes < self._reserve.needed_bytes

    def _make_space(self, wanted_bytes: float, until: float) -> None:
        """If the disk is nearly full, remove originals, the least needed first, until enough is free."""
        space = self._objects.space()
        if self._is_short(space):
            self._delete_marked()
            for step in self._for_space:
                self._remove(step, None, wanted_bytes, until)
            space = self._objects.space()
        is_short = self._is_short(space)
        if is_short and not self._stays_short and space is not None:  # once, however many images are refused
            log.warning("the disk stays short: what is left must stay", free_mib=space.free_bytes >> 20)
        self._stays_short = is_short

    def _remove(
        self,
        step: RemovalStep,
        now: datetime | None,
        wanted_bytes: float = float("inf"),
        until: float = float("inf"),
    ) -> None:
        """Mark and delete batch by batch until enough is free, nothing is left, or the time is up.

        ``now`` is a time that was trusted, for removals by age: the clock may be set while they last.
        """
        step.walk.begin()
        while not self._stopping.is_set() and time.monotonic() < until:
            space = self._objects.space()
            if space is not None and space.free_bytes >= wanted_bytes:
                return
            with self._database.begin() as transaction:
                count = step.mark(transaction, now or datetime.now(UTC), step.walk)
            self._delete_marked()
            if not count and step.walk.is_at_end:
                return

    def _delete_marked(self) -> None:
        while True:
            self._thread.beat()
            count, size = removal.delete_marked(self._database, self._objects, datetime.now(UTC), BATCH)
            metrics.RETENTION_REMOVED.inc(count)
            metrics.RETENTION_REMOVED_BYTES.inc(size)
            if count:
                log.info("originals removed", images=count, mib=size >> 20)
            if count < BATCH:
                return

    def _forget(self, now: datetime) -> None:
        if not self._rules.events_days:
            return
        before = now - timedelta(days=self._rules.events_days)
        with self._database.begin() as transaction:
            upkeep.forget_rows(transaction, before)
        while not self._stopping.is_set():
            self._thread.beat()
            with self._database.begin() as transaction:
                if upkeep.forget_events(transaction, before, BATCH) < BATCH:
                    return

    def _sweep(self, now: datetime) -> None:
        shard = next(self._shards)
        count, size = upkeep.sweep_orphans(self._database, self._objects, shard, now)
        if count:
            log.warning("files without a row were removed", shard=shard, files=count, mib=size >> 20)

    def _report(self, now: datetime) -> None:
        with self._database.begin() as transaction:
            rows = retention.holdings(transaction, AgeLimits.of(self._settings), now)
        due, size = sum(row.due for row in rows), sum(row.due_bytes for row in rows)
        if due:
            log.info("retention is off; it would remove originals", images=due, mib=size >> 20)

    def _watch_disk(self, now: datetime) -> None:
        space, name = self._objects.space(), self._settings.node.name
        if space is None:
            return
        self._reserve.count()
        with self._database.begin() as transaction:
            upkeep.sample_disk(transaction, name, space, now)
            days = upkeep.days_until_full(transaction, name, self._reserve.needed_bytes)
        metrics.STORE_FREE_BYTES.set(space.free_bytes)
        metrics.STORE_DAYS_UNTIL_FULL.set(days)


def _open(context: PartContext) -> Retention | None:
    """Every process frees space for an image that waits; the thread runs where images are judged."""
    retention = Retention(context.database, context.objects, context.settings, context.reserve, context.clock)
    context.reserve.when_short(retention.reclaim)
    return retention if context.role.works else None


PART = PartKind("retention", _open, StartMoment.DELIVERING, role=None)
