"""The frame of a curve: where the times and numbers of a history lie in a drawing, and what all curves draw of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from miqa_node.core.drawing import Box, Drawing, Words

At = TypeVar("At", float, datetime)


@dataclass(frozen=True, slots=True)
class Frame(Generic[At]):
    """The part of a drawing that a curve fills; ``edges`` are left, right, top and bottom, in pixels.

    ``first`` lies at the left edge and ``last`` at the right one, ``low`` at the bottom and ``high`` at the top. Those
    two are on the scale that ``even`` leads to.
    """

    drawing: Drawing
    edges: tuple[float, float, float, float]
    first: At
    last: At
    low: float
    high: float
    even: Callable[[float], float] = float

    def x(self, at: At) -> float:
        """From the left edge of the drawing."""
        left, right, _, _ = self.edges
        return left + (right - left) * ((at - self.first) / (self.last - self.first))

    def y(self, number: float) -> float:
        """From the upper edge of the drawing."""
        _, _, top, bottom = self.edges
        return bottom - (bottom - top) * (self.even(number) - self.low) / (self.high - self.low or 1.0)

    def grid(self, numbers: Sequence[float], words: Callable[[float], str]) -> None:
        """A line for each number, with its words on the left."""
        left, right, _, _ = self.edges
        for number in numbers:
            self.drawing.line([(left, self.y(number)), (right, self.y(number))], "grid")
            self.drawing.add(Words(left - 6, self.y(number) + 4, words(number), "end", "note"))

    def band(self, ends: tuple[float, float], low: float, high: float, least: float = 0.0) -> None:
        """A range of numbers between two places in pixels, at least so high."""
        top, bottom = sorted((self.y(high), self.y(low)))
        self.drawing.add(Box(ends[0], top, ends[1] - ends[0], max(bottom - top, least), "band"))

    def change(self, at: At) -> None:
        """From here on numbers are of something else."""
        _, _, top, bottom = self.edges
        self.drawing.line([(self.x(at), top), (self.x(at), bottom)], "change")

    def axis(self) -> None:
        """The left and the lower edge."""
        left, right, top, bottom = self.edges
        self.drawing.line([(left, top), (left, bottom), (right, bottom)], "axis")


def round_marks(low: float, high: float, count: int) -> list[float]:
    """About ``count`` numbers that include both ends, in steps of 1, 2, 2.5 or 5 times a power of ten."""
    least = ((high - low) or abs(high) or 1.0) / count
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= least * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * number, 10) for number in range(first, last + 1)]
