"""What is usual among numbers, some of which may be wrong: median and median absolute deviation.

C. Leys, C. Ley, O. Klein, P. Bernard, L. Licata, J Exp Soc Psychol 49 (2013) 764–766, doi 10.1016/j.jesp.2013.03.013.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TO_SIGMA = 1.4826
"""Standard deviation of normal numbers over their median absolute deviation (P. J. Rousseeuw, C. Croux, 1993)."""
LIMIT = 3.5
"""Spreads from the median that are usual (B. Iglewicz, D. C. Hoaglin, How to Detect and Handle Outliers, 1993)."""
FEW = 12.0
"""Numbers at which the limit is doubled: a median absolute deviation of few numbers is too small at times."""


@dataclass(frozen=True, slots=True)
class RobustRange:
    """Median, spread on the scale of a standard deviation, and the usual range of ``count`` numbers."""

    median: float
    spread: float
    low: float
    high: float
    count: int


def limit_of(count: int) -> float:
    """Spreads from the median of ``count`` numbers that are usual for the next one.

    Of normal numbers one in a thousand to two thousand is outside, whatever their count (simulated, from 20 on).

    >>> round(limit_of(20), 2), round(limit_of(100), 2)
    (5.6, 3.92)
    """
    return LIMIT * (1.0 + FEW / count)


def robust_range(numbers: Sequence[float], least_spread: float = 0.0, relative_spread: float = 0.0) -> RobustRange:
    """The range median ± limit · max(1.4826 · MAD, least spread); the spread is at least a share of the median, too.

    >>> robust_range([9.0, 10.0, 10.0, 11.0, 500.0] * 4).median
    10.0
    """
    import numpy as np  # noqa: PLC0415 - commands that only print ranges do not load it

    values = np.asarray(numbers, float)
    median = float(np.median(values))
    deviation = TO_SIGMA * float(np.median(np.abs(values - median)))
    spread = max(deviation, least_spread, relative_spread * abs(median))
    reach = limit_of(len(values)) * spread
    return RobustRange(median, spread, median - reach, median + reach, len(values))
