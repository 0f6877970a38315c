"""Watches the parts of a process, restarts ended ones, and ends the process if that does not help.

A fault that cannot be repaired in a running process, such as a hanging thread, needs a new process, which the service
manager starts. All work is durable, so a process may end at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import structlog

from miqa_node.core.observe import metrics
from miqa_node.core.observe.steady_thread import SteadyThread
from miqa_node.errors import ResourcesError

log = structlog.get_logger(__name__)

LOOK_S = 2.0
ATTEMPTS = 5
"""The process ends after this many unsuccessful restarts of a part."""
WELL_S = 60.0
"""A part that works for this time after a restart counts as healthy."""


class WatchedPart(Protocol):
    """A part of the process that works in the background: a thread, or the queue."""

    @property
    def name(self) -> str:
        """Name for logs."""

    def trouble(self) -> str:
        """Why the part does not work; empty if it does."""

    def heal(self) -> None:
        """Restart the part, if possible."""


@dataclass(slots=True)
class SupervisedPart:
    """A part and the number of its consecutive restarts."""

    part: WatchedPart
    healings: int = 0
    healed_at: float = 0.0


class Supervisor:
    """Supervisor of one process. ``give_up`` is called once, with the reason, if a part cannot be healed."""

    def __init__(self, give_up: Callable[[str], None]) -> None:
        self._give_up = give_up
        self._parts: list[SupervisedPart] = []
        self._thread = SteadyThread("supervisor", self._run)
        self.has_given_up = False

    def watch(self, parts: Iterable[WatchedPart]) -> None:
        """Add parts to watch."""
        self._parts += [SupervisedPart(part) for part in parts]

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; parts that stop from now on are not restarted."""
        self._thread.stop()

    def check(self) -> None:
        """ResourcesError with the reason if a part is in trouble. Also restarts the supervisor's own thread."""
        self._thread.heal()
        if reasons := [reason for one in self._parts if (reason := one.part.trouble())]:
            raise ResourcesError(" ".join(reasons))

    def _run(self) -> None:
        while self._thread.goes_on(LOOK_S):
            for one in self._parts:
                try:
                    self._look(one)
                except Exception:  # the other parts must be watched, too
                    log.exception("a part of the node could not be healed", part=one.part.name)

    def _look(self, one: SupervisedPart) -> None:
        part = one.part
        reason = part.trouble()
        if not reason:
            if one.healings and time.monotonic() - one.healed_at > WELL_S:
                one.healings = 0
            return
        if one.healings >= ATTEMPTS:
            self._end(reason)
            return
        one.healings += 1
        one.healed_at = time.monotonic()
        metrics.HEALINGS.labels(part.name).inc()
        log.error("a part of the node is in trouble", part=part.name, reason=reason, attempt=one.healings)
        part.heal()

    def _end(self, reason: str) -> None:
        if not self.has_given_up:
            self.has_given_up = True
            log.critical("the node cannot heal itself and ends, to be started again", reason=reason)
            self._give_up(reason)
