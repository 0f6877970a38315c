"""The free space that must stay: what the site keeps free, and what the images that wait to be judged will still write.

An accepted image is promised a verdict. Without this room a flood of images would use the disk to the last byte, and
then neither they nor whoever wants to sign in could go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.domain.object_store import MiB, ObjectStore
from miqa_node.core.observe.steady_thread import start_brief_thread
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError, ResourcesError
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.disk import free_bytes
from miqa_node.stages.units.rows import reassessments
from miqa_node.stages.units.rows.instances import UndecidedCount, count_undecided_units

USUAL_BYTES = 2 * MiB
"""What judging one image writes at most as a rule: a flagged radiograph of 8 MB with its segmentation wrote 1.4 MB."""
ASIDE_BYTES = MiB // 2
"""Of that, what is not counted by results: preview, maps and rows of the database (0.15 to 0.3 MB)."""
MARGIN = 1.5
"""Images that come may be larger than those before, and more of them flagged."""
NEWEST, FEW = 200, 20
"""Verdicts that tell what one writes, and the number of images with results below which they do not."""

COUNT_INTERVAL_S = 5.0
"""Between two counts, images of this process are added; those that were judged are not taken away."""
RECOUNT_INTERVAL_S = 0.5
"""The same before an object is refused."""


@dataclass(frozen=True, slots=True)
class WaitingWork:
    """Images and series that wait to be judged, and what that writes at most."""

    units: int
    unit_bytes: int

    @property
    def size_bytes(self) -> int:
        """The room that they need."""
        return self.units * self.unit_bytes

    def reserve_bytes(self, settings: Settings) -> int:
        """The bytes that must stay free; a bucket takes what is written, so there it is only what the site says."""
        least = settings.store.min_free_bytes
        return least if settings.store.objects_url else least + self.size_bytes


NOTHING_WAITS = WaitingWork(0, USUAL_BYTES)


class WaitingCount:
    """Counts this work; to count it often is cheap."""

    def __init__(self) -> None:
        self._undecided = UndecidedCount(recent=count_undecided_units)

    def count(self, transaction: Transaction, now: datetime) -> WaitingWork:
        """What waits now."""
        units = self._undecided.count(transaction, now) + reassessments.count_waiting(transaction)
        return WaitingWork(units, _unit_bytes(transaction))


class DiskReserve:
    """Whether the disk has room for one more image; safe to share between threads."""

    def __init__(self, database: Database, objects: ObjectStore, settings: Settings) -> None:
        self._database, self._objects, self._settings = database, objects, settings
        self._folder = settings.objects_dir
        self._count = WaitingCount()
        self._lock = threading.Lock()
        self._waiting = NOTHING_WAITS
        self._more = 0
        self._free: list[Callable[[], bool]] = []
        self._asked_at = self._counted_at = float("-inf")

    @property
    def needed_bytes(self) -> int:
        """The bytes that must stay free, as of the last count."""
        waiting = self._waiting
        return WaitingWork(waiting.units + self._more, waiting.unit_bytes).reserve_bytes(self._settings)

    def add(self) -> None:
        """One more image was accepted."""
        self._more += 1  # it is counted again soon: that another thread's is lost does not matter

    def counting(self, receive: Callable[[ReceivedObject], None]) -> Callable[[ReceivedObject], None]:
        """A function that receives an image, and adds it here."""

        def receive_and_add(received: ReceivedObject) -> None:
            receive(received)
            self.add()

        return receive_and_add

    def suffices(self) -> bool:
        """Whether there is room, without asking the database: for each object, and while a large one is written."""
        if time.monotonic() - self._asked_at > COUNT_INTERVAL_S:
            self._asked_at = time.monotonic()
            start_brief_thread("count of what waits", self._count_quietly)
        return free_bytes(self._folder) >= self.needed_bytes

    def check(self) -> None:
        """Raise ResourcesError if there is no room, or the object store does not answer."""
        self._objects.check()
        if not self.suffices() and self._age_s() > RECOUNT_INTERVAL_S:
            self.count()
        free, needed = free_bytes(self._folder), self.needed_bytes
        if free < needed:
            waiting = needed - self._settings.store.min_free_bytes
            raise ResourcesError(
                "Only {free} MiB are free on the object store's disk; images that wait to be judged need "
                "{waiting} MiB beside the {min_free_bytes} of store.min_free_bytes.",
                free=free // MiB,
                waiting=waiting // MiB,
                min_free_bytes=self._settings.store.min_free_bytes // MiB,
            )

    def when_short(self, free: Callable[[], bool]) -> None:
        """Have a function called when an image waits for room; it says whether there may be more now."""
        self._free.append(free)

    def check_store(self) -> None:
        """Raise ResourcesError while no image can be stored: without room, also after removals, or a database."""
        try:
            self.check()
        except ResourcesError:
            if not sum(free() for free in self._free):  # all of them, not only the first
                raise
            self.check()
        with self._database.begin():
            pass

    def count(self) -> None:
        """Ask the database what waits."""
        with self._lock:
            if self._age_s() <= RECOUNT_INTERVAL_S:
                return
            more = self._more  # these may be in the database already; whoever comes after them may not
            with self._database.begin() as transaction:
                self._waiting = self._count.count(transaction, datetime.now(UTC))
            self._more -= more
            self._asked_at = self._counted_at = time.monotonic()

    def _count_quietly(self) -> None:
        with suppress(MiqaError):  # the check of the database says it
            self.count()

    def _age_s(self) -> float:
        return time.monotonic() - self._counted_at


def _unit_bytes(transaction: Transaction) -> int:
    """What judging one image or series writes, as the newest verdicts show."""
    newest = sa.select(t.dispositions.c.digest).order_by(t.dispositions.c.decided_at.desc()).limit(NEWEST).subquery()
    of_each = (
        sa.select(sa.func.sum(t.results.c.size_bytes).label("size"))
        .join_from(newest, t.results, t.results.c.digest == newest.c.digest)
        .group_by(t.results.c.digest, t.results.c.generation)
        .subquery()
    )
    number, mean = transaction.execute(sa.select(sa.func.count(), sa.func.avg(of_each.c.size))).one()
    return USUAL_BYTES if number < FEW or mean is None else ASIDE_BYTES + round(MARGIN * float(mean))
