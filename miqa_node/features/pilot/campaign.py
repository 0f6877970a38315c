"""Runs a pilot: lists a day, fetches and judges its images one by one, and goes on where an earlier run ended.

Each day is listed, and each image concluded, in one transaction; so a process may be killed at any instruction, and the
next one loses nothing and counts nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import structlog

from miqa_node.errors import DataSetError, DeliveryError
from miqa_node.features.pilot.judging import PilotJudge
from miqa_node.features.pilot.pace import Hours, Pace
from miqa_node.features.pilot.progress import PilotCounts
from miqa_node.features.pilot.protocol import PilotProtocol
from miqa_node.features.pilot.rows import images, pilots
from miqa_node.features.pilot.rows.images import FoundImage
from miqa_node.features.pilot.source import PilotSource
from miqa_node.runtime.store.database import Database

log = structlog.get_logger(__name__)

BATCH = 100
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Before an archive that does not answer is asked again; then the run ends."""
PAUSED_S = 2.0
"""A paused run asks so often whether it may go on."""
LONGEST_SLEEP_S = 60.0
"""The clock may be set meanwhile."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run may fetch; ``hours`` None is at any time, on the site's clock, which ``now`` tells."""

    pace: Pace
    hours: Hours | None
    now: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    waits: Callable[[float], None] = lambda _seconds: None
    """Told of a wait for the hours."""


class Campaign:
    """One run of a pilot. ``tell`` is called after each image: how far it was, and how many were done since."""

    _rows: ModuleType = images
    """What waits, and what becomes of it."""

    def __init__(
        self,
        database: Database,
        protocol: PilotProtocol,
        source: PilotSource,
        judge: PilotJudge,
        limits: Limits,
        folder: Path,
        tell: Callable[[PilotCounts, int], None] = lambda _counts, _more: None,
    ) -> None:
        self._database, self._protocol, self._source = database, protocol, source
        self._judge, self._limits, self._folder, self._tell = judge, limits, folder, tell
        self._name = protocol.name

    def run(self) -> PilotCounts:
        """Go on until everything was fetched.

        Raises
        ------
        DeliveryError
            The archive does not answer any more; the next run goes on here.
        ConflictError
            What it sends by C-MOVE cannot be told from ordinary images.
        """
        with self._database.begin() as transaction:
            listed = pilots.listed_days(transaction, self._name)
        for day in self._source.days():
            if day not in listed:
                self._patiently(lambda day=day: self._list(day))  # type: ignore[misc]
            self._work_off(day)
        self._work_off(None)
        if self._judge.teaches:
            with self._database.begin() as transaction:
                past = images.past(transaction, self._name)
            learned = self._judge.learned(self._database, past.values())
            with self._database.begin() as transaction:
                images.note_own(transaction, {number: learned.get(one.digest) for number, one in past.items()})
        with self._database.begin() as transaction:
            return pilots.counts(transaction, self._name)

    def _list(self, day: str) -> None:
        self._wait_for_hours()
        listing = list(self._source.images(day))
        with self._database.begin() as transaction:
            pilots.note_found(transaction, self._name, day, images.add(transaction, self._name, listing))
            pilots.note_missing(transaction, self._name, day, self._source.missing.get(day, ""))

    def _work_off(self, day: str | None) -> None:
        """The images of a day; then, without one, what could not be had before, some times more."""
        while True:
            with self._database.begin() as transaction:
                batch = self._rows.waiting(transaction, self._name, day, BATCH)
                counts = pilots.counts(transaction, self._name) if batch else None
            if counts is None:
                return
            for done, (number, image) in enumerate(batch, 1):
                self._wait_for_hours()
                self._patiently(lambda: self._limits.pace.wait(self._source.ask))
                self._do(number, image)
                self._tell(counts, done)

    def _do(self, number: int, image: FoundImage) -> None:
        with self._database.begin() as transaction:
            if not self._rows.is_due(transaction, number, image.patient):
                return
        try:
            self._conclude(number, self._source.fetch(image, self._folder))
        except DeliveryError as error:
            self._patiently(self._source.ask)  # if it answers, the fault is this image's
            with self._database.begin() as transaction:
                self._rows.fail(transaction, number, str(error))
        except FileNotFoundError:
            log.warning("a file of a pilot is gone and is fetched again")  # an erasure removes all that wait
        finally:
            self._tidy()

    def _tidy(self) -> None:
        """Remove what was fetched, and what an archive sent besides."""
        for file in self._folder.glob("*.dcm"):
            file.unlink(missing_ok=True)

    def _conclude(self, number: int, file: Path) -> None:
        try:
            judged = self._judge.judge(file)
        except DataSetError as error:
            with self._database.begin() as transaction:
                images.refuse(transaction, number, str(error), datetime.now(UTC))
            return
        with self._database.begin() as transaction:
            images.conclude(transaction, number, judged, self._protocol.body_part, datetime.now(UTC))

    def _patiently(self, ask: Callable[[], None]) -> None:
        """Ask an archive that may be down for a while."""
        for pause_s in PAUSES_S:
            try:
                ask()
            except DeliveryError as error:
                log.warning("the archive of a pilot does not answer", reason=str(error), again_in_s=pause_s)
                self._limits.sleep(pause_s)
            else:
                return
        ask()

    def _wait_for_hours(self) -> None:
        limits = self._limits
        while self._is_paused():
            self._source.close()
            limits.sleep(PAUSED_S)
        if limits.hours is None or not (left_s := limits.hours.wait_s(limits.now())):
            return
        self._source.close()  # no association is held through a day
        limits.waits(left_s)
        while left_s := limits.hours.wait_s(limits.now()):
            limits.sleep(min(left_s, LONGEST_SLEEP_S))

    def _is_paused(self) -> bool:
        with self._database.begin() as transaction:
            return pilots.find(transaction, self._name).is_paused
