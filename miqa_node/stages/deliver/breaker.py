"""A circuit breaker, one per destination, against repeated attempts while the destination is down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import StrEnum


class BreakerState(StrEnum):
    """CLOSED permits everything, OPEN nothing, HALF_OPEN one attempt that decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Permit(StrEnum):
    """Permission of a lane to send now."""

    NOTHING = "nothing"
    PROBE = "probe"
    """Send exactly one object, then report; no other lane may send meanwhile."""
    EVERYTHING = "everything"


class Breaker:
    """Opens after ``failures`` in a row; after ``pause_s`` one attempt tests whether the destination is back."""

    def __init__(self, failures: int, pause_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._pause_s = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._opened_at = 0.0

    @property
    def state(self) -> BreakerState:
        """The current state."""
        return self._state

    def ask(self) -> Permit:
        """Ask for a permit before claiming work; after a PROBE call ``succeeded``, ``failed`` or ``give_back``."""
        with self._lock:
            if self._state is BreakerState.CLOSED:
                return Permit.EVERYTHING
            if self._state is BreakerState.OPEN and self._clock() - self._opened_at >= self._pause_s:
                self._state = BreakerState.HALF_OPEN
                return Permit.PROBE
            return Permit.NOTHING

    def give_back(self) -> None:
        """Return an unused probe: there was nothing to send."""
        with self._lock:
            if self._state is BreakerState.HALF_OPEN:
                self._state = BreakerState.OPEN

    def succeeded(self) -> bool:
        """The destination answers; True if that closed the breaker."""
        with self._lock:
            closed_now = self._state is not BreakerState.CLOSED
            self._state = BreakerState.CLOSED
            self._failures = 0
            return closed_now

    def failed(self) -> bool:
        """The destination did not take an object; True if that opened the breaker."""
        with self._lock:
            self._failures += 1
            probing = self._state is BreakerState.HALF_OPEN
            if not probing and self._failures < self._limit:
                return False
            opened_now = self._state is BreakerState.CLOSED
            self._state = BreakerState.OPEN
            self._opened_at = self._clock()
            return opened_now
