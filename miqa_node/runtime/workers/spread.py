"""Applies a function to many files or slices, several at a time in workers; a worker that dies costs one item."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from miqa_node.core.observe.steady_thread import start_brief_thread
from miqa_node.errors import DecodeLimitError

Item = TypeVar("Item")
Returned = TypeVar("Returned")

TASK_S = 1.0
"""After this time a task begins no further item and returns the rest, so tasks of other senders get their turn."""
TASKS_PER_PROCESS = 4


class Spread:
    """``run(function, *arguments)`` calls it in a worker, ``count`` at a time; without it all runs here, in order."""

    def __init__(self, run: Callable[..., Any] | None = None, count: int = 1) -> None:
        self._run, self._count = run, count

    def each(
        self, function: Callable[..., Returned], items: Sequence[Item], *shared: Any
    ) -> list[Returned | DecodeLimitError]:
        """Results of ``function(item, *shared)``, in the order of the items.

        If an item exceeds its worker's time or memory or kills it, the error takes its place. Exceptions of the
        function are raised here. Function and arguments are pickled, so the function must be one of a module.
        """
        if self._run is None:
            return [function(item, *shared) for item in items]
        tasks = _Tasks(self._run, function, items, shared, self._count * TASKS_PER_PROCESS)
        others = [start_brief_thread("spread", tasks.work) for _ in range(min(self._count, len(tasks.waiting)) - 1)]
        tasks.work()
        for thread in others:
            thread.join()
        if tasks.errors:
            raise tasks.errors[0]
        return [tasks.results[place] for place in range(len(items))]


class _Tasks:
    """The waiting items, as index ranges: one range per task."""

    def __init__(
        self, run: Callable[..., Any], function: Callable[..., Any], items: Sequence[Any], shared: tuple[Any, ...],
        count: int,
    ) -> None:  # fmt: skip
        self.results: dict[int, Any] = {}
        self.errors: list[BaseException] = []
        size = -(-len(items) // count)
        self.waiting = deque(range(first, min(first + size, len(items))) for first in range(0, len(items), size or 1))
        self._run, self._function, self._items, self._shared = run, function, items, shared
        self._lock = threading.Lock()

    def work(self) -> None:
        """Run tasks until none waits."""
        while True:
            with self._lock:
                if self.errors or not self.waiting:
                    return
                places = self.waiting.popleft()
            try:
                self._do(places)
            except BaseException as error:  # noqa: BLE001 - it is raised where all threads are waited for
                self.errors.append(error)

    def _do(self, places: range) -> None:
        try:
            items = [self._items[place] for place in places]
            done = self._run(do_some, self._function, items, self._shared)
        except DecodeLimitError as error:
            if len(places) > 1:  # each is tried alone to find the one that failed
                with self._lock:
                    self.waiting.extend(range(place, place + 1) for place in places)
                return
            done = [error]
        with self._lock:
            self.results.update(zip(places, done, strict=False))
            if len(done) < len(places):
                self.waiting.append(places[len(done) :])


def do_some(function: Callable[..., Returned], items: Sequence[Item], shared: tuple[Any, ...]) -> list[Returned]:
    """Results for the first items: those that begin within :data:`TASK_S`, and at least one."""
    end, results = time.monotonic() + TASK_S, []
    for item in items:
        results.append(function(item, *shared))
        if time.monotonic() > end:
            break
    return results
