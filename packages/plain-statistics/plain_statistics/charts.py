"""Control charts of rates: which days do not belong to the process before them, and since when it is another one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LIMIT_SIGMAS = 3.0
EWMA_WEIGHT, EWMA_SIGMAS = 0.2, 2.962
"""An alarm about every 500 points without a change (J. M. Lucas, M. S. Saccucci, Technometrics 32 (1990) 1–12)."""
RARE = 10.0
"""Below this expected count the upper limit is a quantile of the Poisson distribution, not of the normal one."""
BELOW_LIMIT = 0.99865
"""Of a steady process, below three standard deviations above its mean."""
MOVING_RANGE_D2 = 1.128
"""Mean range of two normal values, in standard deviations."""
LEAST_SEGMENT = 5
"""Minimum number of points on either side of a change point."""


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One subgroup: ``count`` of ``total``, limits of its share, the weighted mean so far, and what is out of limits.

    ``share``, ``low`` and ``high`` are None for an empty subgroup; ``ewma`` then stays what it was.
    """

    count: int
    total: int
    share: float | None
    low: float | None
    high: float | None
    ewma: float
    ewma_low: float
    ewma_high: float
    outside: bool
    drifted: bool


@dataclass(frozen=True, slots=True)
class RateChange:
    """From point ``index`` on the rate is ``after`` instead of ``before``.

    ``statistic`` is twice the log-likelihood ratio.
    """

    index: int
    before: float
    after: float
    statistic: float


@dataclass(frozen=True, slots=True)
class Chart:
    """``centre`` is the rate of the reference, ``inflation`` by how much its days vary more than chance alone."""

    centre: float | None
    inflation: float
    points: tuple[ChartPoint, ...]
    changes: tuple[RateChange, ...]


def p_chart(counts: Sequence[tuple[int, int]], reference: int | None = None) -> Chart:
    """The chart of (count, total) by subgroup; the first ``reference`` subgroups set the baseline, by default all.

    Limits follow D. B. Laney, Quality Engineering 14 (2002) 531–537: with hundreds of images a day, days differ by more
    than the binomial allows, and plain limits would cry wolf. ``inflation`` below 1 counts as 1. What is rare may
    come once, or as often as chance brings it, without being out of limits.
    """
    base = [(k, n) for k, n in counts[: reference or len(counts)] if n]
    total = sum(n for _, n in base)
    if not total:
        return Chart(None, 1.0, tuple(_empty(k, n) for k, n in counts), ())
    centre = sum(k for k, _ in base) / total
    inflation = _inflation(base, centre)
    points, ewma, weight = [], centre, 0.0
    for k, n in counts:
        if not n:
            points.append(_empty(k, n, ewma))
            continue
        sigma = inflation * math.sqrt(centre * (1.0 - centre) / n)
        share = k / n
        low, high = max(centre - LIMIT_SIGMAS * sigma, 0.0), min(centre + LIMIT_SIGMAS * sigma, 1.0)
        high = min(max(high, _most_by_chance(centre * n) / n), 1.0)
        ewma = EWMA_WEIGHT * share + (1.0 - EWMA_WEIGHT) * ewma
        # The variance of the weighted mean, with the sigma of each subgroup.
        weight = EWMA_WEIGHT**2 * sigma**2 + (1.0 - EWMA_WEIGHT) ** 2 * weight
        spread = EWMA_SIGMAS * math.sqrt(weight)
        points.append(
            ChartPoint(
                k, n, share, low, high, ewma, max(centre - spread, 0.0), min(centre + spread, 1.0),
                outside=not low - 1e-12 <= share <= high + 1e-12,
                drifted=abs(ewma - centre) > spread + 1e-12,
            )
        )  # fmt: skip
    return Chart(centre, inflation, tuple(points), change_points(counts, inflation))


def change_points(counts: Sequence[tuple[int, int]], inflation: float = 1.0) -> tuple[RateChange, ...]:
    """Where the rate changed for good: binary segmentation with the binomial likelihood (Scott, Knott 1974).

    A split counts when twice the log-likelihood ratio, divided by the variance's inflation, exceeds 3 ln(points) + 4,
    which a steady process of 60 points does in about one of a hundred charts.
    """
    changes: list[RateChange] = []
    penalty = (3.0 * math.log(max(len(counts), 2)) + 4.0) * inflation**2

    def split(start: int, end: int) -> None:
        best: RateChange | None = None
        for at in range(start + LEAST_SEGMENT, end - LEAST_SEGMENT + 1):
            before, after = _sum(counts[start:at]), _sum(counts[at:end])
            if not before[1] or not after[1]:
                continue
            whole = (before[0] + after[0], before[1] + after[1])
            statistic = 2.0 * (_log_likelihood(before) + _log_likelihood(after) - _log_likelihood(whole))
            if best is None or statistic > best.statistic:
                best = RateChange(at, before[0] / before[1], after[0] / after[1], statistic)
        if best is not None and best.statistic > penalty:
            changes.append(best)
            split(start, best.index)
            split(best.index, end)

    split(0, len(counts))
    cuts = [0, *sorted(change.index for change in changes), len(counts)]
    shares = [_share(counts[a:b]) for a, b in pairwise(cuts)]
    by_index = {change.index: change.statistic for change in changes}
    return tuple(RateChange(at, shares[i], shares[i + 1], by_index[at]) for i, at in enumerate(cuts[1:-1]))


def _most_by_chance(expected: float) -> int:
    """The count that a steady process seldom exceeds, where it is rare; 0 where the normal limits hold.

    >>> _most_by_chance(0.05), _most_by_chance(2.0), _most_by_chance(25.0)
    (1, 7, 0)
    """
    if expected >= RARE:
        return 0
    count, term = 0, math.exp(-expected)
    below = term
    while below < BELOW_LIMIT:
        count += 1
        term *= expected / count
        below += term
    return count


def _inflation(base: Sequence[tuple[int, int]], centre: float) -> float:
    if not 0.0 < centre < 1.0 or len(base) < 3:
        return 1.0
    scores = [(k / n - centre) / math.sqrt(centre * (1.0 - centre) / n) for k, n in base]
    ranges = [abs(b - a) for a, b in pairwise(scores)]
    return max(1.0, sum(ranges) / len(ranges) / MOVING_RANGE_D2)


def _sum(counts: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sum(k for k, _ in counts), sum(n for _, n in counts)


def _share(counts: Sequence[tuple[int, int]]) -> float:
    k, n = _sum(counts)
    return k / n if n else 0.0


def _log_likelihood(counted: tuple[int, int]) -> float:
    """Largest log-likelihood of a binomial with one rate, without the constant."""
    k, n = counted
    if not 0 < k < n:
        return 0.0
    return k * math.log(k / n) + (n - k) * math.log((n - k) / n)


def _empty(count: int, total: int, ewma: float = 0.0) -> ChartPoint:
    return ChartPoint(count, total, None, None, None, ewma, ewma, ewma, outside=False, drifted=False)
