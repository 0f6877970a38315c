"""Wakes the polling thread of a queue when a process adds a job or this one finishes one, so polls can be rare.

DBOS Transact polls its queues and offers no wake-up. Its poll waits on its stop event; here, for some queues, an event
that also ends the wait replaces it. If a later version is built differently, only the normal polling remains.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import structlog
from dbos import _queue

log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 0.005
"""First pause between polls after a job's end; each further pause doubles, up to the queue's own interval. The queue
counts a job as done, and has room for the next one, only shortly after its end."""
BUSY_S = 60.0
"""A queue counts as in use for this time after a ring or a job."""
_EXPECTED = ("stop_event", "dbos", "queue")


class JobAlarm:
    """Decides how long the polls of one queue pause: until it rings, or for a time without a ring."""

    def __init__(self, least_interval_s: float = 0.0) -> None:
        """``least_interval_s`` replaces a shorter interval of the queue while it is not in use."""
        self._least_interval_s = least_interval_s
        self._ringing, self._ending = threading.Event(), threading.Event()
        self._is_retired = False
        self._busy_until = 0.0
        self.pause_s = FIRST_PAUSE_S
        """Longest duration of the next wait without a ring."""
        self.polls = 0
        """Number of polls so far: one after each wait."""

    def ring(self) -> None:
        """A job was committed: one poll will find it."""
        self._busy_until = time.monotonic() + BUSY_S
        self._ringing.set()

    def ring_at_end(self) -> None:
        """A job is about to end."""
        self._busy_until = time.monotonic() + BUSY_S
        self._ending.set()
        self._ringing.set()

    def retire(self) -> None:
        """The worker is about to stop: from now on a pause ends at once when the thread has to."""
        self._is_retired = True
        self._ringing.set()

    def wait(self, stopping: threading.Event, interval_s: float, jobs: int = 0) -> bool:
        """Wait for a ring or for the current pause, at most the interval; return whether ``stopping`` is set.

        ``jobs`` of the queue run at present.
        """
        self.polls += 1
        if self._is_retired:
            return stopping.wait(interval_s)
        if jobs:
            self._busy_until = time.monotonic() + BUSY_S
        if not stopping.is_set():
            if time.monotonic() > self._busy_until:
                interval_s = max(interval_s, self._least_interval_s)
            pause_s = min(self.pause_s, interval_s)
            if self._ringing.wait(pause_s):
                self._ringing.clear()
                if self._ending.is_set():
                    self._ending.clear()
                    self.pause_s = FIRST_PAUSE_S
            else:
                self.pause_s = min(2.0 * pause_s, interval_s)
        return stopping.is_set()


class _StopOrAlarm:
    """Replaces the stop event of a polling thread."""

    def __init__(self, stopping: threading.Event, alarm: JobAlarm, count_jobs: Callable[[], int]) -> None:
        self._stopping, self._alarm, self._count_jobs = stopping, alarm, count_jobs
        self.is_set = stopping.is_set

    def wait(self, timeout: float) -> bool:
        return self._alarm.wait(self._stopping, timeout, self._count_jobs())


_poll: Callable[..., None] = _queue.queue_worker_thread


def attach(alarms: Mapping[str, JobAlarm]) -> bool:
    """Let the threads that poll these queues wait with their alarms from now on; False if that is not possible."""
    if tuple(inspect.signature(_poll).parameters) != _EXPECTED:
        log.warning("jobs are only polled for: the queue's library has changed")
        return False

    def poll(stop_event: threading.Event, dbos: Any, queue: Any) -> None:
        alarm = alarms.get(queue.name)
        if alarm is not None:
            stop_event = cast("threading.Event", _StopOrAlarm(stop_event, alarm, _counter(dbos, queue.name)))
        _poll(stop_event, dbos, queue)

    _queue.queue_worker_thread = poll
    return True


def _counter(dbos: Any, queue: str) -> Callable[[], int]:
    """Counts the jobs of a queue that run in this process; one, so that polls stay frequent, if that is unknown."""
    count: Callable[[str], int] | None = getattr(getattr(dbos, "_active_workflows_set", None), "count_for_queue", None)
    return partial(count, queue) if count else lambda: 1
