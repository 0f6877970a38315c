"""Measures the duration of an image's stages for its log line, its record and the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar

from miqa_node.core.observe import metrics
from miqa_node.core.observe.traces import add_span, span

T = TypeVar("T")


class ObservedStage(NamedTuple):
    """A stage of one image in another process; its end is wall-clock time in nanoseconds."""

    stage: str
    seconds: float
    ended_at_ns: int


_kept: ContextVar[list[ObservedStage] | None] = ContextVar("kept", default=None)


class StageClock:
    """``milliseconds`` holds the duration of each finished stage, in order."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    def time(self, stage: str, work: Callable[[], T]) -> T:
        """Run the work and record its duration; work that raises is not counted."""
        started = time.perf_counter()
        with span(stage):
            result = work()
        seconds = time.perf_counter() - started
        self.milliseconds[stage] = round(seconds * 1e3, 1)
        observe(stage, seconds)
        return result


def observe(stage: str, seconds: float) -> None:
    """Record the time of one image in a stage: in the metrics of this process, or for :func:`observed_here`."""
    stages = _kept.get()
    if stages is None:
        metrics.STAGE_SECONDS.labels(stage=stage).observe(seconds)
    else:
        stages.append(ObservedStage(stage, seconds, time.time_ns()))


@contextmanager
def observed_here() -> Iterator[list[ObservedStage]]:
    """Collect the stages of the block instead of counting them: the process with metrics and traces counts them."""
    stages: list[ObservedStage] = []
    token = _kept.set(stages)
    try:
        yield stages
    finally:
        _kept.reset(token)


def count_observed(stages: Iterable[ObservedStage]) -> None:
    """Count the stages that :func:`observed_here` collected in another process."""
    for stage, seconds, ended_at_ns in stages:
        observe(stage, seconds)
        add_span(stage, seconds, ended_at_ns)
