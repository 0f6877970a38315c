"""The parts of a process that run: started one after the other, stopped in the opposite order."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class RunningParts:
    """What has been started so far."""

    def __init__(self) -> None:
        self._stops: list[Callable[[], None]] = []

    def begin(self, start: Callable[[], None], stop: Callable[[], None]) -> None:
        """Start a part. Its stop is registered first: a part that fails halfway has something to stop, too."""
        self._stops.append(stop)
        start()

    def stop_all(self) -> None:
        """Stop every part; one that fails to stop does not keep the others running."""
        while self._stops:
            try:
                self._stops.pop()()
            except Exception:  # the other parts must end, too
                log.exception("a part of the node did not stop in order")
