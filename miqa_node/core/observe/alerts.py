"""Security alerts of the process, until they are in the audit trail; one buffer for all, as for metrics."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

INTERVAL_S = 60.0
MAX_ALERTS = 1000
"""Further alerts are dropped; an extra alert gives their number."""


@dataclass(frozen=True, slots=True)
class SecurityAlert:
    """A refusal; ``who`` is the given name, such as an AE title."""

    at: datetime
    what: str
    reason: str
    peer: str
    who: str = ""


class SecurityAlerts:
    """Waiting alerts; adding one never blocks."""

    def __init__(self) -> None:
        self._waiting: deque[SecurityAlert] = deque()
        self._lock = threading.Lock()
        self._last: OrderedDict[tuple[str, ...], float] = OrderedDict()
        self._dropped = 0

    def add(self, what: str, reason: str, peer: str, who: str = "") -> None:
        """Record a refusal; repetitions within INTERVAL_S are one alert."""
        now, key = time.monotonic(), (what, reason, peer, who)
        with self._lock:
            if now - self._last.get(key, now - INTERVAL_S) < INTERVAL_S:
                return
            self._last[key] = now
            if len(self._last) > MAX_ALERTS:
                self._last.popitem(last=False)
            if len(self._waiting) < MAX_ALERTS:
                self._waiting.append(SecurityAlert(datetime.now(UTC), what, reason, peer, who))
            else:
                self._dropped += 1

    def take(self) -> list[SecurityAlert]:
        """Remove and return all waiting alerts."""
        with self._lock:
            batch, dropped = list(self._waiting), self._dropped
            self._waiting.clear()
            self._dropped = 0
        if dropped:
            batch.append(SecurityAlert(datetime.now(UTC), "alerts dropped", str(dropped), ""))
        return batch

    def give_back(self, alerts: Sequence[SecurityAlert]) -> None:
        """Put alerts back that could not be written."""
        with self._lock:
            self._waiting.extendleft(reversed(alerts))


ALERTS = SecurityAlerts()
