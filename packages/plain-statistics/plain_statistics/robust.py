"""What is usual among numbers, some of which may be wrong: median and median absolute deviation.

C. Leys, C. Ley, O. Klein, P. Bernard, L. Licata, J Exp Soc Psychol 49 (2013) 764–766, doi 10.1016/j.jesp.2013.03.013.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .scales import LEVEL, Scale, ScaleKind, turned

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TO_SIGMA = 1.4826
"""Standard deviation of normal numbers over their median absolute deviation (P. J. Rousseeuw, C. Croux, 1993)."""
LIMIT = 3.5
"""Spreads from the median that are usual (B. Iglewicz, D. C. Hoaglin, How to Detect and Handle Outliers, 1993)."""
FEW = 12.0
"""Numbers at which the limit is doubled: a median absolute deviation of few numbers is too small at times."""
MOST_FALL = 9.0
"""A positive quantity that falls to less than a ninth of its median is unusual, however wide its range."""


@dataclass(frozen=True, slots=True)
class RobustRange:
    """Median and spread in the unit of the numbers, the latter like a standard deviation, and the usual range."""

    median: float
    spread: float
    low: float
    high: float
    count: int


def limit_of(count: int, spreads: float = LIMIT) -> float:
    """Spreads from the median of ``count`` numbers that are usual for the next one; ``spreads`` of very many.

    Of normal numbers one in a thousand to two thousand is outside, whatever their count (simulated, from 20 on).

    >>> round(limit_of(20), 2), round(limit_of(100), 2)
    (5.6, 3.92)
    """
    return spreads * (1.0 + FEW / count)


def robust_range(
    numbers: Sequence[float],
    least_spread: float = 0.0,
    relative_spread: float = 0.0,
    scale: Scale = LEVEL,
    spreads: float = LIMIT,
) -> RobustRange:
    """The range median ± limit · 1.4826 · MAD on the scale of the quantity, and at least that of its tolerance.

    ``least_spread`` counts as it is, ``relative_spread`` is a share of the median: a factor of positive quantities. The
    range stays within the bounds of the scale, and ends at whole numbers of counts.

    >>> robust_range([9.0, 10.0, 10.0, 11.0, 500.0] * 4).median
    10.0
    >>> from .scales import POSITIVE
    >>> wide = robust_range([60.0, 120.0, 180.0, 240.0, 300.0] * 4, 0.0, 0.03, POSITIVE)
    >>> 18.0 < wide.low < 60.0
    True
    """
    import numpy as np  # noqa: PLC0415 - commands that only print ranges do not load it

    is_angle = scale.kind is ScaleKind.ANGLE
    around = _mean_angle(numbers) if is_angle else 0.0
    values = np.asarray([turned(one, around) for one in numbers] if is_angle else numbers, float)
    median = float(np.median(values))
    spread = max(_deviation(values, median), least_spread, relative_spread * abs(median))
    limit = limit_of(len(values), spreads)
    centre = scale.even(median, least_spread)
    reach = limit * _deviation(np.asarray([scale.even(float(one), least_spread) for one in values]), centre)
    low, high = scale.number(centre - reach, least_spread), scale.number(centre + reach, least_spread)
    if scale.kind is ScaleKind.POSITIVE:
        low = max(low, median / MOST_FALL)
    for least, most in _tolerated(median, least_spread, relative_spread, limit, scale):
        low, high = min(low, least), max(high, most)
    return RobustRange(median, spread, *_ended(low, high, scale), len(values))


def _deviation(values: NDArray[np.float64], median: float) -> float:
    import numpy as np  # noqa: PLC0415

    return TO_SIGMA * float(np.median(np.abs(values - median)))


def _tolerated(
    median: float, least_spread: float, relative_spread: float, limit: float, scale: Scale
) -> Iterator[tuple[float, float]]:
    """What the tolerance alone makes usual."""
    yield median - limit * least_spread, median + limit * least_spread
    if scale.kind is ScaleKind.POSITIVE:
        factor = (1.0 + relative_spread) ** limit
        yield median / factor, median * factor
    else:
        reach = limit * relative_spread * abs(median)
        yield median - reach, median + reach


def _ended(low: float, high: float, scale: Scale) -> tuple[float, float]:
    """The ends as the quantity can have them."""
    if scale.kind is ScaleKind.ANGLE:
        return (-180.0, 180.0) if high - low >= 360.0 else (turned(low, 0.0), turned(high, 0.0))
    if scale.kind is ScaleKind.COUNT:
        low, high = float(math.ceil(low)), float(math.floor(high))
    return scale.within(low), scale.within(high)


def _mean_angle(numbers: Sequence[float]) -> float:
    """Direction of the mean of unit vectors, in degrees."""
    angles = [math.radians(one) for one in numbers]
    return math.degrees(math.atan2(sum(map(math.sin, angles)), sum(map(math.cos, angles))))
