"""Reports within a second whether this process can do its work, even if something hangs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from miqa_node.core.observe.recent_check import RecentCheck

ANSWER_S = 0.8
"""Longest wait for an answer."""
MAX_AGE_S = 1.0
STARTS_S = 60.0
"""For so long a process that was never ready is starting: its workers load their models."""
HANGS_S = 5.0
"""A check without an answer for this time counts as failed."""


class ReadinessChecks:
    """The checks of one process, by the name of their subject. They run in parallel.

    ``busy`` says of a subject whether its check may wait behind other work.
    """

    def __init__(
        self, checks: Mapping[str, Callable[[], None]], busy: Mapping[str, Callable[[], bool]] | None = None
    ) -> None:
        busy, self._starts_until = busy or {}, time.monotonic() + STARTS_S
        self._checks = [
            RecentCheck(name, check, max_age_s=MAX_AGE_S, limit_s=HANGS_S, is_busy=busy.get(name, bool))
            for name, check in checks.items()
        ]

    def is_starting(self) -> bool:
        """Whether it was never ready and is in its first minute."""
        return time.monotonic() < self._starts_until

    def reasons(self) -> list[str]:
        """Why the process cannot do its work now; empty if it can."""
        for check in self._checks:
            check.begin()
        until = time.monotonic() + ANSWER_S
        reasons = (check.reason(max(0.0, until - time.monotonic())) for check in self._checks)
        named = list(dict.fromkeys(filter(None, reasons)))
        if not named:
            self._starts_until = 0.0
        return named
