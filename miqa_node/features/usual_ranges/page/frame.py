"""Where a time and a number of a history lie in a drawing; numbers go by the scale of their quantity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from miqa_node.core.domain.measurand import measurand_of
from miqa_node.core.drawing import Box
from miqa_node.libraries.plain_statistics.scales import LEVEL, Scale

LEAST_SPAN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of a drawing that a curve fills; edges are in pixels."""

    scale: Scale
    offset: float
    first: datetime
    span: timedelta
    low: float
    high: float
    left: float
    right: float
    top: float
    bottom: float

    @property
    def last(self) -> datetime:
        """The time at its right edge."""
        return self.first + self.span

    def x(self, at: datetime) -> float:
        """From the left edge of the drawing."""
        return self.left + (self.right - self.left) * ((at - self.first) / self.span)

    def y(self, number: float) -> float:
        """From the upper edge of the drawing."""
        share = (self.scale.even(number, self.offset) - self.low) / (self.high - self.low or 1.0)
        return self.bottom - (self.bottom - self.top) * share

    def band(self, low: float, high: float) -> Box:
        """A range over all times."""
        top, bottom = sorted((self.y(high), self.y(low)))
        return Box(self.left, top, self.right - self.left, max(bottom - top, 1.0), "band")


def frame_of(
    name: str, times: Sequence[datetime], numbers: Sequence[float], edges: tuple[float, float, float, float]
) -> Frame:
    """The frame that has all times and numbers of a measurement; ``edges`` are left, right, top and bottom."""
    of = measurand_of(name)
    scale, offset = (of.scale, of.least_spread) if of is not None else (LEVEL, 0.0)
    even = [scale.even(one, offset) for one in numbers]
    first, last = min(times), max(times)
    return Frame(scale, offset, first, max(last - first, LEAST_SPAN), min(even), max(even), *edges)
