"""What a node says of its readiness during a fault, compared with what becomes of images."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise

POLL_S = 0.2


class ReadinessWatch(threading.Thread):
    """Asks again and again whether a node is ready, as a load balancer does, and keeps the answers."""

    def __init__(self, is_ready: Callable[[], bool]) -> None:
        super().__init__(daemon=True)
        self.is_ready = is_ready
        self._stopping = threading.Event()
        self._answers: list[tuple[float, bool]] = []

    def run(self) -> None:
        while not self._stopping.wait(POLL_S):
            asked_at = time.monotonic()
            self._answers.append((asked_at, self.is_ready()))

    def stop(self) -> None:
        self._stopping.set()
        if self.is_alive():
            self.join()

    def first_no_s(self, since: float) -> float | None:
        """Seconds from then until the first answer that the node is not ready; None if there is none."""
        return next((at - since for at, is_ready in self._answers if at >= since and not is_ready), None)

    def unready_s(self, since: float = 0.0) -> float:
        """Seconds for which the node was not ready from then on."""
        spans = pairwise(self._answers)
        return sum(end - at for (at, is_ready), (end, _) in spans if at >= since and not is_ready)

    def ready_for_good_s(self, since: float) -> float:
        """Seconds from then until the first answer after which the node stayed ready; 0 if it always was."""
        noes = [index for index, (at, is_ready) in enumerate(self._answers) if at >= since and not is_ready]
        if not noes:
            return 0.0
        after = noes[-1] + 1
        return self._answers[after][0] - since if after < len(self._answers) else float("inf")
