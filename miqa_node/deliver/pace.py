"""Holds the lanes of one destination to the rate that its profile allows."""

from __future__ import annotations

import math
import threading
import time


class Pace:
    """One permit after the other, evenly apart, for all lanes together; ``per_s`` None means no limit."""

    def __init__(self, per_s: float | None) -> None:
        self._apart_s = 0.0 if per_s is None else 1.0 / per_s
        self._lock = threading.Lock()
        self._next_at = 0.0

    def wait_s(self) -> float:
        """Until the next permit."""
        return max(0.0, self._next_at - time.monotonic())

    def most_in(self, seconds: float) -> int:
        """The permits of this many seconds, at least one; more would be claimed and given back."""
        return max(1, math.floor(min(seconds / self._apart_s, 1e9))) if self._apart_s else 1_000_000_000

    def allows(self, until: float, stopping: threading.Event) -> bool:
        """Take a permit, waiting for it; False if it comes after ``until`` (time.monotonic) or the lanes stop."""
        with self._lock:
            at = max(self._next_at, time.monotonic())
            if at >= until or stopping.is_set():
                return False
            self._next_at = at + self._apart_s
        return not stopping.wait(max(0.0, at - time.monotonic()))
