"""Times the stages that one image passes: for its log line, its record and the metrics at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar

from miqa_node.observe import metrics
from miqa_node.observe.traces import add_span, span

T = TypeVar("T")


class ObservedStage(NamedTuple):
    """A stage of one image in another process, which ended at a time of the wall clock in nanoseconds."""

    stage: str
    seconds: float
    ended_at_ns: int


_kept: ContextVar[list[ObservedStage] | None] = ContextVar("kept", default=None)


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
        observe(stage, seconds)
        return result


def observe(stage: str, seconds: float) -> None:
    """Count that one image spent a time in a stage: in the metrics of this process, or for :func:`observed_here`."""
    stages = _kept.get()
    if stages is None:
        metrics.STAGE_SECONDS.labels(stage=stage).observe(seconds)
    else:
        stages.append(ObservedStage(stage, seconds, time.time_ns()))


@contextmanager
def observed_here() -> Iterator[list[ObservedStage]]:
    """Keep what the block would count: it counts in the process that has metrics and traces."""
    stages: list[ObservedStage] = []
    token = _kept.set(stages)
    try:
        yield stages
    finally:
        _kept.reset(token)


def count_observed(stages: Iterable[ObservedStage]) -> None:
    """Count here what :func:`observed_here` kept in another process."""
    for stage, seconds, ended_at_ns in stages:
        observe(stage, seconds)
        add_span(stage, seconds, ended_at_ns)
