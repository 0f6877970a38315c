"""Fair scheduling: tasks of several senders share a few places, and a sender with many tasks delays no other.

The next task is that of the sender with the fewest running tasks; among equals, of the sender served longest ago. A
long task no longer counts among the ``count`` tasks that run at a time, for up to ``count`` long tasks. A sender never
has more than ``count`` tasks in all. So a sender whose images take very long, or never end, only blocks its own places.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from miqa_node.errors import ResourcesError

LONG_S, LONG_WAIT_S = 2.0, 10.0
"""A task is long after this much processor time, or that much elapsed time. The second limit is higher because on a
busy machine a further process would only slow down the others."""

MOST_SENDERS = 1000
"""Maximum number of senders whose last turn is remembered."""


@dataclass(slots=True, eq=False)
class Turn:
    """The place of one task, while it waits and while it runs."""

    number: int
    sender: str
    began_at: float = 0.0
    is_long: bool = False


class Turns:
    """The places that tasks share. Thread-safe."""

    def __init__(self, count: int) -> None:
        """At most ``count`` tasks run at a time, plus ``count`` long ones."""
        self._count = count
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._waiting: list[Turn] = []
        self._running: set[Turn] = set()
        self._served: dict[str, int] = {}
        self._closed = False

    @contextmanager
    def of(self, sender: str) -> Iterator[Turn]:
        """Wait for a turn and hold it during the block; ResourcesError after :meth:`close`."""
        turn = Turn(next(self._numbers), sender)
        with self._changed:
            self._waiting.append(turn)
            try:
                self._changed.wait_for(lambda: self._closed or self._next() is turn)
                if self._closed:
                    raise ResourcesError("The node stops.")
                turn.began_at = time.monotonic()
                self._running.add(turn)
                if len(self._served) > MOST_SENDERS:
                    self._served.clear()
                self._served[sender] = next(self._numbers)
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
        try:
            yield turn
        finally:
            with self._changed:
                self._running.discard(turn)
                self._changed.notify_all()

    def look_at(self, turn: Turn, processor_s: float) -> None:
        """Check whether the task has become long; ``processor_s`` is its processor time so far."""
        if turn.is_long or (processor_s <= LONG_S and time.monotonic() - turn.began_at <= LONG_WAIT_S):
            return
        with self._changed:
            turn.is_long = True
            self._changed.notify_all()

    def close(self) -> None:
        """Refuse turns to all waiting and later tasks."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self) -> Turn | None:
        long = sum(turn.is_long for turn in self._running)
        if len(self._running) - min(long, self._count) >= self._count:
            return None
        running = Counter(turn.sender for turn in self._running)
        waiting = [turn for turn in self._waiting if running[turn.sender] < self._count]
        return min(
            waiting,
            key=lambda turn: (running[turn.sender], self._served.get(turn.sender, -1), turn.number),
            default=None,
        )
