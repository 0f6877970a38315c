"""Short-lived state of the web interface: cached values, and limits on simultaneous requests."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Values by key, computed again when they are older than ``max_age_s``; at most ``limit`` keys are kept."""

    def __init__(self, compute: Callable[[K], V], max_age_s: float, limit: int) -> None:
        self._compute, self._max_age_s, self._limit = compute, max_age_s, limit
        self._values: dict[K, tuple[float, V]] = {}
        self._lock = Lock()

    def get(self, key: K) -> V:
        """The value of a key; raises what computing it raises."""
        with self._lock:
            entry = self._values.get(key)
        if entry is not None and monotonic() - entry[0] <= self._max_age_s:
            return entry[1]
        value = self._compute(key)
        with self._lock:
            if len(self._values) >= self._limit:
                self._values.clear()
            self._values[key] = (monotonic(), value)
        return value


class Slots:
    """A limited number of places for requests in progress."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0
        self._lock = Lock()

    def enter(self) -> bool:
        """Take a place; False if none is free."""
        with self._lock:
            if self._taken >= self.limit:
                return False
            self._taken += 1
            return True

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self._taken -= 1
