"""Rates with their uncertainty: what every share on a dashboard is shown with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` of ``total``, with the limits between which the true share lies; None without a total."""

    count: int
    total: int
    share: float | None
    low: float | None
    high: float | None

    @property
    def percent(self) -> float | None:
        """The share in percent."""
        return None if self.share is None else 100.0 * self.share


def rate(count: int, total: int, confidence: float = CONFIDENCE) -> Rate:
    """A share with its Wilson interval.

    Wilson rather than Clopper–Pearson: for monitoring its mean coverage is the nominal one, where the exact interval is
    too wide (Brown, Cai, DasGupta, Statistical Science 16 (2001) 101–133). Certificates use the exact one.

    >>> found = rate(8, 100)
    >>> found.share, round(found.low, 4), round(found.high, 4)
    (0.08, 0.0411, 0.15)
    """
    if total <= 0:
        return Rate(count, total, None, None, None)
    low, high = wilson(count, total, confidence)
    return Rate(count, total, count / total, low, high)


def wilson(count: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Limits of a share (E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209–212).

    >>> [round(limit, 4) for limit in wilson(0, 20)]
    [0.0, 0.1611]
    """
    if not 0 <= count <= total or total <= 0:
        raise ValueError(f"{count} of {total} is not a share")
    return limits_at(count / total, total, confidence)


def limits_at(share: float, size: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's limits of a share at an effective size, which need not be whole; at an infinite one the share itself.

    >>> limits_at(0.25, math.inf)
    (0.25, 0.25)
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    weight = z * z / size
    middle = (share + weight / 2.0) / (1.0 + weight)
    spread = z / (1.0 + weight) * math.sqrt(share * (1.0 - share) / size + weight / (4.0 * size))
    # At the ends the limit is the end itself, which rounding would miss.
    return (0.0 if share == 0.0 else middle - spread), (1.0 if share == 1.0 else middle + spread)


def chi_square_quantile(probability: float, degrees: int) -> float:
    """The quantile by the cube-root approximation of Wilson and Hilferty (1931), right to about 1 % from 3 degrees on.

    >>> round(chi_square_quantile(0.95, 9), 2)
    16.9
    """
    z = NormalDist().inv_cdf(probability)
    part = 2.0 / (9.0 * degrees)
    return float(degrees * (1.0 - part + z * math.sqrt(part)) ** 3)
