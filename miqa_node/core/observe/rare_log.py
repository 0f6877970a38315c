"""Limits warnings that strangers can trigger at will: at most one per minute for the same cause."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import structlog

from miqa_node.core.observe.alerts import ALERTS

INTERVAL_S = 60.0
MAX_CAUSES = 256

log = structlog.get_logger(__name__)


class RareLog:
    """Logs the first warning of each cause at once, and later the number of further ones. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._logged: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def warning(self, event: str, reason: str, peer: str, hint: str) -> None:
        """Log a warning about a peer, unless the same was logged within INTERVAL_S."""
        now, cause = self._clock(), (reason, peer)
        with self._lock:
            logged_at, unlogged = self._logged.pop(cause, (now - INTERVAL_S, 0))
            due = now - logged_at >= INTERVAL_S
            self._logged[cause] = (now, 0) if due else (logged_at, unlogged + 1)
            if len(self._logged) > MAX_CAUSES:
                self._logged.popitem(last=False)
        if due:
            more: dict[str, Any] = {"more_before": unlogged} if unlogged else {}
            ALERTS.add(event, reason, peer)
            log.warning(event, reason=reason, peer=peer, hint=hint, **more)
