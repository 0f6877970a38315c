"""Whose turn it is: tasks of several senders share a few places, and a sender with many of them delays no other.

Of the waiting tasks that one comes next whose sender has the fewest running, of those the one that was served longest
ago. A task that runs for
long no longer counts as one of the ``count`` that run at a time, as far as there are not more than ``count`` of them;
but a sender never has more than ``count`` in all. So a sender whose images take very long, or for ever, uses up its
own places, and leaves the others theirs.
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
"""A task is a long one when it has had this much processor time, or taken that much time: on a machine that has much
else to do, a further process would only make all of them slower."""

MOST_SENDERS = 1000
"""Of no more it is remembered when they were served."""


@dataclass(slots=True, eq=False)
class Turn:
    """The place of one task, while it waits and while it runs."""

    number: int
    sender: str
    began_at: float = 0.0
    is_long: bool = False


class Turns:
    """The places. Thread-safe."""

    def __init__(self, count: int) -> None:
        """At most ``count`` tasks run at a time, and ``count`` long ones besides."""
        self._count = count
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._waiting: list[Turn] = []
        self._running: set[Turn] = set()
        self._served: dict[str, int] = {}
        self._closed = False

    @contextmanager
    def of(self, sender: str) -> Iterator[Turn]:
        """Wait for a turn, and have it for as long as the block takes; ResourcesError after :meth:`close`."""
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
        """See whether the task has become a long one; ``processor_s`` is the processor time that it had."""
        if turn.is_long or (processor_s <= LONG_S and time.monotonic() - turn.began_at <= LONG_WAIT_S):
            return
        with self._changed:
            turn.is_long = True
            self._changed.notify_all()

    def close(self) -> None:
        """Whatever waits, and whatever comes, gets no turn any more."""
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
