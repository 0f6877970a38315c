"""The scale of a quantity: what numbers it can have, and where equal steps of it mean alike.

A symmetric range of a positive quantity on its own axis reaches below zero as soon as it is wide; on the logarithm it
cannot. What a range on a scale is stands in :mod:`plain_statistics.robust`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

LEAST_POSITIVE = 1e-9
"""Taken in place of zero where a logarithm is asked for and the quantity has no tolerance."""
LEAST_OF_SHARE = 1e-6
"""The same of a share, per width of its bounds."""
ANSCOMBE = 0.375
"""Makes the spread of counts independent of their level (F. J. Anscombe, Biometrika 35 (1948) 246–254)."""


class ScaleKind(StrEnum):
    """What a number is."""

    LEVEL = "level"
    """May be on either side of zero, or has a zero that was agreed on: decibels, Hounsfield units."""
    POSITIVE = "positive"
    """Factors count: noise, dose, width, a ratio."""
    SHARE = "share"
    """Lies between two bounds."""
    COUNT = "count"
    """Whole things."""
    ANGLE = "angle"
    """Degrees, of which 180 and -180 are one."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The kind of a quantity, and its physical bounds.

    ``offset`` in its methods is what the number may differ by without any meaning, in its unit: so close to a bound,
    logarithms would make much of little.
    """

    kind: ScaleKind = ScaleKind.LEVEL
    low: float = -math.inf
    high: float = math.inf

    def even(self, number: float, offset: float = 0.0) -> float:
        """The number where equal steps mean alike.

        >>> round(POSITIVE.even(20.0) - POSITIVE.even(10.0), 3) == round(POSITIVE.even(2.0) - POSITIVE.even(1.0), 3)
        True
        """
        inside = self.within(number)
        match self.kind:
            case ScaleKind.POSITIVE:
                return math.log(inside + max(offset, LEAST_POSITIVE))
            case ScaleKind.SHARE:
                part = inside - self.low + self._edge(offset)
                return math.log(part / (self.high - self.low + 2.0 * self._edge(offset) - part))
            case ScaleKind.COUNT:
                return math.sqrt(inside + ANSCOMBE)
            case ScaleKind.LEVEL | ScaleKind.ANGLE:
                return inside

    def number(self, even: float, offset: float = 0.0) -> float:
        """The number of an even one, within the bounds.

        >>> round(PERCENT.number(PERCENT.even(12.5)), 6), PERCENT.number(100.0), POSITIVE.number(-100.0, 0.2)
        (12.5, 100.0, 0.0)
        """
        match self.kind:
            case ScaleKind.POSITIVE:
                return self.within(_exp(even) - max(offset, LEAST_POSITIVE))
            case ScaleKind.SHARE:
                width = self.high - self.low + 2.0 * self._edge(offset)
                return self.within(self.low + width / (1.0 + _exp(-even)) - self._edge(offset))
            case ScaleKind.COUNT:
                return self.within(max(even, 0.0) ** 2 - ANSCOMBE)
            case ScaleKind.LEVEL | ScaleKind.ANGLE:
                return even

    def within(self, number: float) -> float:
        """The number, or the bound that it lies beyond."""
        return min(max(number, self.low), self.high) if self.kind is not ScaleKind.ANGLE else number

    def holds(self, low: float, high: float, number: float) -> bool:
        """Whether a range holds a number; one of angles may go over 180 degrees.

        >>> ANGLE.holds(170.0, -175.0, 178.0), ANGLE.holds(170.0, -175.0, 0.0), LEVEL.holds(-5.0, 5.0, 6.0)
        (True, False, False)
        """
        if low > high:
            return number >= low or number <= high
        return low <= number <= high

    def distance(self, low: float, high: float, number: float, offset: float = 0.0) -> float:
        """How far a number lies from the middle of a range, in half widths of it, on the even scale."""
        ends = self.even(low, offset), self.even(high, offset)
        half = (ends[1] - ends[0]) / 2.0
        if self.kind is ScaleKind.ANGLE:
            half %= 180.0
            return abs(turned(number, low + half) - low - half) / (half or 1.0)
        return abs(self.even(number, offset) - sum(ends) / 2.0) / (half or 1.0)

    def _edge(self, offset: float) -> float:
        return max(offset, LEAST_OF_SHARE * (self.high - self.low))


def turned(angle: float, centre: float) -> float:
    """The angle in degrees, by whole turns, that is nearest to another one.

    >>> turned(-179.0, 170.0)
    181.0
    """
    return centre + (angle - centre + 180.0) % 360.0 - 180.0


def _exp(number: float) -> float:
    return math.exp(min(number, 700.0))


LEVEL = Scale()
HEIGHT = Scale(ScaleKind.LEVEL, 0.0)
"""A level over its surroundings, such as decibels of a peak, which may be none."""
POSITIVE = Scale(ScaleKind.POSITIVE, 0.0)
PERCENT = Scale(ScaleKind.SHARE, 0.0, 100.0)
DEVIATION = Scale(ScaleKind.SHARE, 0.0, 50.0)
"""A standard deviation of percents: of half black and half white it is 50."""
FRACTION = Scale(ScaleKind.SHARE, 0.0, 1.0)
COUNT = Scale(ScaleKind.COUNT, 0.0)
ANGLE = Scale(ScaleKind.ANGLE, -180.0, 180.0)
