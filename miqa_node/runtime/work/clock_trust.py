"""Whether the clock may be believed by what removes by age; a process has one, and all that removes asks it.

A clock that is set ahead makes everything old at once, and what is removed does not come back when it is set right.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from miqa_node.runtime.site_records import retention_clock
from miqa_node.runtime.site_records.retention_clock import MEND, ClockRecord
from miqa_node.runtime.store.database import Database

log = structlog.get_logger(__name__)

RECORD_INTERVAL = timedelta(minutes=10)

TrustedNow = Callable[[], datetime | None]
"""The time, if it may be believed: ``ClockTrust.now``."""


def plain_now() -> datetime:
    """For what runs without a node, such as a test: every clock is believed."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ClockAnchor:
    """A time that was trusted, as both clocks showed it, and the last confirmation at that moment."""

    at: datetime
    running_s: float
    confirmed_at: datetime | None


class ClockTrust:
    """Compares the clock with the one that only goes on; after a start, with the last time in the database.

    A clock that is behind makes nothing old and is believed; a confirmation, or a clock that is right again, ends the
    waiting. Safe to share between threads.
    """

    def __init__(self, database: Database, step: timedelta) -> None:
        self._database, self._step = database, step
        self._lock = threading.Lock()
        self._anchor: ClockAnchor | None = None
        self._recorded_at: datetime | None = None
        self._waits = False

    def now(self) -> datetime | None:
        """The time, if it may be believed."""
        with self._lock:
            now, running_s = datetime.now(UTC), running_time_s()
            with self._database.begin() as transaction:
                record = retention_clock.load(transaction)
                if not self._is_credible(record, now, running_s):
                    self._say(record, now)
                    retention_clock.wait(transaction, record, now)
                    return None
                is_behind = record.seen_at is not None and now < record.seen_at
                if not is_behind and self._is_due(now):
                    retention_clock.trust(transaction, now)
                    self._recorded_at = now
            if self._waits:
                log.info("what removes by age goes on: the clock is trusted again")
            self._waits = False
            if self._anchor is None and not is_behind:
                self._anchor = ClockAnchor(now, running_s, record.confirmed_at)
            return now

    def _is_credible(self, record: ClockRecord, now: datetime, running_s: float) -> bool:
        anchor = self._anchor
        if anchor is None:
            return record.seen_at is None or now - record.seen_at <= self._step
        if now - anchor.at - timedelta(seconds=running_s - anchor.running_s) <= self._step:
            return True
        if record.confirmed_at in (None, anchor.confirmed_at) or abs(now - record.confirmed_at) > self._step:
            return False
        self._anchor = None  # a person has confirmed it since
        return True

    def _is_due(self, now: datetime) -> bool:
        return self._waits or self._recorded_at is None or now - self._recorded_at >= RECORD_INTERVAL

    def _say(self, record: ClockRecord, now: datetime) -> None:
        if not self._waits:
            self._waits = True
            log.warning(
                "nothing is removed by age: the clock made a step", since=str(record.seen_at), now=str(now), hint=MEND
            )


def running_time_s() -> float:
    """Seconds by a clock that nobody sets, which goes on while the machine sleeps where the system has such a one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
