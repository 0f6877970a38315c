"""The two kinds of threads in the node: steady ones, whose end or hang is noticed, and brief ones for one task."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from miqa_node.core.language.phrase import Phrase

STUCK_AFTER_S = 1800.0
"""Far longer than any step of the background work between two signs of life."""


class SteadyThread:
    """Runs ``loop``, which is ``while thread.goes_on(pause_s): ...``; ``name`` describes its work.

    The thread reports that it is alive, and can be restarted. It counts as hanging if it does not report for
    ``stuck_after_s``, pauses excluded; None if its work may take any time.
    """

    def __init__(self, name: str, loop: Callable[[], None], stuck_after_s: float | None = STUCK_AFTER_S) -> None:
        self.name = name
        self.stopping = threading.Event()
        self._loop = loop
        self._stuck_after_s = float("inf") if stuck_after_s is None else stuck_after_s
        self._expected_by = float("inf")
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self.stopping.clear()
        self.beat()
        self._thread = threading.Thread(target=self._loop, name=self.name, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """End the loop, and wait for the thread."""
        self.stopping.set()
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join(timeout_s)

    def beat(self) -> None:
        """Report that the thread is alive, from within its work."""
        self._expected_by = time.monotonic() + self._stuck_after_s

    def goes_on(self, pause_s: float | None, awake: threading.Event | None = None) -> bool:
        """Pause, at most until ``awake`` if given, without limit if ``pause_s`` is None; False if the loop must end."""
        self._expected_by = float("inf") if pause_s is None else time.monotonic() + pause_s + self._stuck_after_s
        (awake or self.stopping).wait(pause_s)
        self.beat()
        return not self.stopping.is_set()

    def trouble(self) -> str:
        """Why the thread does not work; empty if it does."""
        if self._thread is None or self.stopping.is_set():
            return ""
        if not self._thread.is_alive():
            return Phrase("The thread {name} has ended.", name=self.name)
        if time.monotonic() > self._expected_by:
            return Phrase(
                "The thread {name} hangs: no sign of life for {stuck_after_s} s.",
                name=self.name,
                stuck_after_s=f"{self._stuck_after_s:g}",
            )
        return ""

    def heal(self) -> None:
        """Restart the thread if it has ended. A hanging thread cannot be stopped from outside."""
        if self._thread is not None and not self._thread.is_alive() and not self.stopping.is_set():
            self.start()


def start_brief_thread(name: str, work: Callable[[], object]) -> threading.Thread:
    """Start one task in another thread; the caller limits its own wait, and nothing depends on the task's end."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
