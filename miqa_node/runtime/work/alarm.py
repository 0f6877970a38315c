"""Wakes the polling thread of a queue when a process adds a job or this one is done with one, so polls can be rare.

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
from dbos import _core, _queue

log = structlog.get_logger(__name__)

BUSY_S = 60.0
"""A queue counts as in use for this time after a ring or a job."""


class JobAlarm:
    """Decides how long the polls of one queue pause: until it rings, or for the queue's interval."""

    def __init__(self, least_interval_s: float = 0.0, enough: int = 0) -> None:
        """``least_interval_s`` replaces a shorter interval of the queue while it is not in use.

        ``enough`` jobs are work enough while the next ones are looked for.
        """
        self._least_interval_s = least_interval_s
        self._enough = enough
        self._ringing = threading.Event()
        self._ringing.set()  # for the jobs that are there already
        self._counting = threading.Lock()
        self._ends = 0
        self._is_retired = False
        self._busy_until = 0.0
        self.polls = 0
        """Number of polls so far: one after each wait."""

    def ring(self) -> None:
        """A job was committed, or there is room for one: one poll will find it."""
        self._busy_until = time.monotonic() + BUSY_S
        self._ringing.set()

    def ring_at_end(self, jobs: int) -> None:
        """Called when a job ends, with the number that still run. Rings if several slots are free or few jobs remain.

        Each poll costs as much as the jobs that it takes.
        """
        with self._counting:
            self._ends += 1
            if self._ends < self._enough <= jobs:
                return
            self._ends = 0
        self.ring()

    def retire(self) -> None:
        """The worker is about to stop: from now on a pause ends at once when the thread has to."""
        self._is_retired = True
        self._ringing.set()

    def wait(self, stopping: threading.Event, interval_s: float, jobs: int = 0) -> bool:
        """Wait for a ring, at most for the interval; return whether ``stopping`` is set.

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
            if self._ringing.wait(interval_s):
                self._ringing.clear()
        return stopping.is_set()


class _StopEventWithAlarm:
    """Replaces the stop event of a polling thread."""

    def __init__(self, stopping: threading.Event, alarm: JobAlarm, count_jobs: Callable[[], int]) -> None:
        self._stopping, self._alarm, self._count_jobs = stopping, alarm, count_jobs
        self.is_set = stopping.is_set

    def wait(self, timeout: float) -> bool:
        return self._alarm.wait(self._stopping, timeout, self._count_jobs())


_poll: Callable[..., None] = _queue.queue_worker_thread
_forget: Callable[..., None] | None = getattr(_core.ActiveWorkflowById, "_remove", None)
"""How the library notes that a job does not run any more: from then on there is room for another."""


def attach(alarms: Mapping[str, JobAlarm]) -> bool:
    """Let the threads that poll these queues wait with their alarms from now on; False if that is not possible."""
    if (
        _forget is None
        or _names(_forget) != ("self", "key", "bucket")
        or _names(_poll) != ("stop_event", "dbos", "queue")
    ):
        log.warning("jobs are only polled for: the queue's library has changed")
        return False

    def poll(stop_event: threading.Event, dbos: Any, queue: Any) -> None:
        alarm = alarms.get(queue.name)
        if alarm is not None:
            count_jobs = partial(dbos._active_workflows_set.count_for_queue, queue.name)  # noqa: SLF001
            stop_event = cast("threading.Event", _StopEventWithAlarm(stop_event, alarm, count_jobs))
        _poll(stop_event, dbos, queue)

    def forget(active: _core.ActiveWorkflowById, key: str, bucket: tuple[str, str | None] | None) -> None:
        _forget(active, key, bucket)
        queue = bucket[0] if bucket else ""
        if queue in alarms:
            alarms[queue].ring_at_end(active.count_for_queue(queue))

    _queue.queue_worker_thread = poll
    setattr(_core.ActiveWorkflowById, "_remove", forget)  # noqa: B010 - the library does not export it
    return True


def _names(function: Callable[..., None]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)
