"""Every thread of the node is one of two: it must not end or hang unnoticed, or it does one thing and ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class SteadyThread:
    """Runs ``loop``, which is ``while thread.goes_on(pause_s): ...``; ``name`` says whose work it does.

    It shows that it goes on, and can be started again. It hangs if it shows no sign of life
    for ``stuck_after_s``, pauses left out; None if its work may take any time.
    """

    def __init__(self, name: str, loop: Callable[[], None], stuck_after_s: float | None = None) -> None:
        self.name = name
        self.stopping = threading.Event()
        self._loop = loop
        self._stuck_after_s = float("inf") if stuck_after_s is None else stuck_after_s
        self._expected_by = float("inf")
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self.stopping.clear()
        self.beat()
        self._thread = threading.Thread(target=self._loop, name=self.name, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Have the loop end, and wait for it."""
        self.stopping.set()
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join(timeout_s)

    def beat(self) -> None:
        """The thread is alive, within its work."""
        self._expected_by = time.monotonic() + self._stuck_after_s

    def goes_on(self, pause_s: float | None, awake: threading.Event | None = None) -> bool:
        """Pause, until ``awake`` if given, forever if None; False when the loop is to end."""
        self._expected_by = float("inf") if pause_s is None else time.monotonic() + pause_s + self._stuck_after_s
        (awake or self.stopping).wait(pause_s)
        self.beat()
        return not self.stopping.is_set()

    def trouble(self) -> str:
        """Why its work is not done, empty if it is."""
        if self._thread is None or self.stopping.is_set():
            return ""
        if not self._thread.is_alive():
            return f"The thread {self.name} has ended."
        if time.monotonic() > self._expected_by:
            return f"The thread {self.name} hangs: no sign of life for {self._stuck_after_s:g} s."
        return ""

    def heal(self) -> None:
        """Start it again if it has ended. A thread that hangs cannot be ended from outside."""
        if self._thread is not None and not self._thread.is_alive() and not self.stopping.is_set():
            self.start()


def start_brief_thread(name: str, work: Callable[[], object]) -> threading.Thread:
    """Begin one piece of work beside the caller, which knows how long it waits; nothing depends on its end."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
