"""Times the stages that one image passes: for its log line, its record and the metrics at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from miqa_node.observe import metrics
from miqa_node.observe.traces import span

T = TypeVar("T")


class StageClock:
    """``milliseconds`` holds the time of every stage that was finished, in order."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    def time(self, stage: str, work: Callable[[], T]) -> T:
        """Do the work and note how long it took; work that ends with an exception is not counted."""
        started = time.perf_counter()
        with span(stage):
            result = work()
        seconds = time.perf_counter() - started
        self.milliseconds[stage] = round(seconds * 1e3, 1)
        metrics.STAGE_SECONDS.labels(stage=stage).observe(seconds)
        return result
