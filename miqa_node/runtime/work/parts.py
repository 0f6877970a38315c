"""The running parts of a process: started one after the other, stopped in reverse order."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class RunningParts:
    """The parts started so far."""

    def __init__(self) -> None:
        self._stops: list[Callable[[], None]] = []

    def begin(self, start: Callable[[], None], stop: Callable[[], None]) -> None:
        """Start a part. Its stop is registered first, because a part that fails to start must also be stopped."""
        self._stops.append(stop)
        start()

    def stop_all(self) -> None:
        """Stop every part, even if one fails to stop."""
        while self._stops:
            try:
                self._stops.pop()()
            except Exception:  # the other parts must stop, too
                log.exception("a part of the node did not stop in order")
