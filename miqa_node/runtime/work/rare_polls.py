"""Makes the library's polls rare where a node gives them nothing to find.

DBOS Transact looks once a second for delayed workflows and for those past a deadline, which a node does not have, and
for queues and schedules, which do not change after the start; and each look for jobs reads again the settings of its
queue and which version of the program is the latest. It has no settings for these intervals. If a later version is
built differently, its own intervals apply.
"""

from __future__ import annotations

import functools
import inspect
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from dbos import _dbos, _queue, _scheduler, _sys_db, _workflow_commands

log = structlog.get_logger(__name__)

SWEEP_S, LOCKED_SWEEP_S = 10.0, 3.0
"""Intervals of the look for delayed and late workflows. On PostgreSQL a lock is held between two of them, and the
library lets the database end a connection that holds it for 5 s without a statement."""
QUEUES_S = 5.0
"""Interval of the look for new queues, and for threads of queues that ended; and of what a look for jobs asks besides
the jobs."""
FIRST_S = 5.0
"""The library's own intervals apply for so long: queues and schedules are registered just after its launch."""
_EXPECTED = ("stop_event", "dbos")
_CONSTANTS = (
    (_workflow_commands, "_BACKGROUND_JOBS_INTERVAL_SEC"),
    (_scheduler, "_STARTUP_FAST_POLL_DURATION_SEC"),
)
_SETTLED: Mapping[str, Any] = {
    name: getattr(_sys_db.SystemDatabase, name, None) for name in ("get_queue", "_is_latest_version")
}
"""What each look for jobs asks of the library's database, by the name of a queue or version."""


class QueueWatchStop:
    """Replaces the stop event of the thread that watches the queues; threads of single queues wait as they ask to."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._watching = threading.current_thread()
        self._waited_s = 0.0
        self.is_set = stopping.is_set

    def wait(self, timeout: float) -> bool:
        """Wait for the stop event: for the time given at first, later longer."""
        if threading.current_thread() is self._watching:
            timeout = timeout if self._waited_s < FIRST_S else max(timeout, QUEUES_S)
            self._waited_s += timeout
        return self._stopping.wait(timeout)


_watch: Callable[..., None] = _queue.queue_thread


@functools.wraps(_watch)  # its name is part of the thread's name, by which the supervisor knows it
def _watch_rarely(stop_event: threading.Event, dbos: Any) -> None:
    _watch(QueueWatchStop(stop_event), dbos)


def _remembering(ask: Callable[..., Any]) -> Callable[..., Any]:
    """A method of the library's database whose answers hold for a while; that there is nothing does not."""

    @functools.wraps(ask)
    def answer(database: Any, name: str, *transaction: Any, **others: Any) -> Any:
        if others:  # a client's
            return ask(database, name, *transaction, **others)
        answers = vars(database).setdefault(f"remembered {ask.__name__}", {})
        until, value = answers.get(name, (0.0, None))
        if not value or time.monotonic() >= until:
            value = ask(database, name, *transaction)
            answers[name] = time.monotonic() + QUEUES_S, value
        return value

    return answer


def make_polls_rare(*, is_sqlite: bool) -> bool:
    """Apply the intervals to everything launched from now on; False if that is not possible."""
    is_as_expected = tuple(inspect.signature(_watch).parameters) == _EXPECTED and hasattr(_dbos, "queue_thread")
    is_as_expected &= all(isinstance(getattr(*constant, None), float) for constant in _CONSTANTS)
    if not is_as_expected or not all(_SETTLED.values()):
        log.warning("an idle node takes more processor time than it needs: the queue's library has changed")
        return False
    for (module, name), seconds in zip(_CONSTANTS, (SWEEP_S if is_sqlite else LOCKED_SWEEP_S, FIRST_S), strict=True):
        setattr(module, name, seconds)
    setattr(_dbos, "queue_thread", _watch_rarely)  # noqa: B010 - the library does not export it
    for name, ask in _SETTLED.items():
        setattr(_sys_db.SystemDatabase, name, _remembering(ask))
    return True
