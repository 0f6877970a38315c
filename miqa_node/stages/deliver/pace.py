"""Limits the lanes of one destination to the rate in its profile, and to what its receiver asks for."""

from __future__ import annotations

import math
import threading
import time


class Pace:
    """Permits at even intervals for all lanes together; ``per_s`` None means no limit."""

    def __init__(self, per_s: float | None) -> None:
        self._apart_s = 0.0 if per_s is None else 1.0 / per_s
        self._lock = threading.Lock()
        self._next_at = 0.0

    def wait_s(self) -> float:
        """Seconds until the next permit."""
        return max(0.0, self._next_at - time.monotonic())

    def rest(self, seconds: float) -> None:
        """No permits for so long."""
        with self._lock:
            self._next_at = max(self._next_at, time.monotonic() + seconds)

    def most_in(self, seconds: float) -> int:
        """Number of permits in this many seconds, at least one; more deliveries would be claimed in vain."""
        return max(1, math.floor(min(seconds / self._apart_s, 1e9))) if self._apart_s else 1_000_000_000

    def allows(self, until: float, stopping: threading.Event) -> bool:
        """Wait for a permit; False if it would come after ``until`` (time.monotonic) or the lanes stop."""
        with self._lock:
            at = max(self._next_at, time.monotonic())
            if at >= until or stopping.is_set():
                return False
            self._next_at = at + self._apart_s
        return not stopping.wait(max(0.0, at - time.monotonic()))
