"""Short-lived state of the web interface: cached values, and limits on simultaneous requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RecentValues(Generic[K, V]):
    """Cached values by key, recomputed when older than ``max_age_s``; at most ``limit`` keys."""

    def __init__(self, compute: Callable[[K], V], max_age_s: float, limit: int) -> None:
        self._compute, self._max_age_s, self._limit = compute, max_age_s, limit
        self._values: dict[K, tuple[float, V]] = {}
        self._lock = Lock()

    def get(self, key: K) -> V:
        """The value of a key; passes on exceptions of its computation."""
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
    """A limited number of places for requests in progress, in total and per address."""

    def __init__(self, limit: int, limit_per_address: int | None = None) -> None:
        self.limit = limit
        self._limit_per_address = limit if limit_per_address is None else limit_per_address
        self._taken: Counter[str] = Counter()
        self._lock = Lock()

    def enter(self, address: str = "") -> bool:
        """Take a place; False if none is free."""
        with self._lock:
            if self._taken.total() >= self.limit or self._taken[address] >= self._limit_per_address:
                return False
            self._taken[address] += 1
            return True

    @property
    def taken(self) -> int:
        """Number of places in use."""
        with self._lock:
            return self._taken.total()

    def leave(self, address: str = "") -> None:
        """Give a place back."""
        with self._lock:
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]
