"""Units whose judging ended with the node are judged one at a time afterwards: a death then says who was to blame.

When a process is killed, all units that it was judging look alike. Judged side by side again, each later death would
count against all of them, and a node that is killed often enough would give up images that nothing is wrong with.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from miqa_node.errors import ResourcesError

PAUSE_S = 1.0
"""From the start of the node to a suspect that died alone once; twice as long for each further death."""


@dataclass(frozen=True, slots=True, order=True)
class _Suspect:
    """Whoever met fewer deaths goes first."""

    deaths: int
    number: int
    from_s: float = field(compare=False)


class Solitude:
    """Places for those that are judged in this process. Thread-safe.

    A suspect that died alone before waits until this life has lasted for a while (:data:`PAUSE_S`), so that a node that
    is killed again and again soon after its start does not meet the same one each time.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._began_s = now, now()
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._together = 0
        self._alone: _Suspect | None = None
        self._waiting: set[_Suspect] = set()
        self._is_closed = False

    @contextmanager
    def together(self) -> Iterator[None]:
        """Judge beside others; wait while a suspect is judged, or is the next; ResourcesError after :meth:`close`."""
        with self._changed:
            self._wait(lambda: self._alone is None and self._next() is None)
            self._together += 1
        try:
            yield
        finally:
            with self._changed:
                self._together -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, deaths: int) -> Iterator[None]:
        """Judge a suspect while nothing else is judged; ResourcesError after :meth:`close`."""
        one = _Suspect(deaths, next(self._numbers), self._began_s + PAUSE_S * (2.0**deaths - 1.0))
        with self._changed:
            self._waiting.add(one)
            try:
                self._wait(lambda: self._alone is None and not self._together and self._next() is one)
                self._alone = one
            finally:
                self._waiting.discard(one)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._alone = None
                self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any more: the node stops."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _wait(self, may_begin: Callable[[], bool]) -> None:
        while not (self._is_closed or may_begin()):
            pauses = [one.from_s - self._now() for one in self._waiting]
            self._changed.wait(min((pause for pause in pauses if pause > 0.0), default=None))
        if self._is_closed:
            raise ResourcesError("The node stops.")

    def _next(self) -> _Suspect | None:
        """The suspect whose turn it is, if one has waited long enough."""
        return min((one for one in self._waiting if one.from_s <= self._now()), default=None)
