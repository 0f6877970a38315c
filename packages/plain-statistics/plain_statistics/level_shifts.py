"""Where numbers in order of time changed their level for good, whatever their distribution.

The largest of all standardised rank sums of what comes before and after (D. M. Hawkins, Q. Deng, J Qual Technol 42
(2010) 165–173). Several changes, such as one and back again, are found in pieces of many lengths (S. Kovács and others,
Biometrika 110 (2023) 249–256).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LEAST_SEGMENT = 8
"""Minimum count on either side of a change."""
LEAST_STATISTIC = 4.75
"""Standard deviations of the rank sum; docs/explanation/usual-ranges.md has the rate of false alarms."""
MOST_SHIFTS = 10


@dataclass(frozen=True, slots=True)
class LevelShift:
    """From number ``index`` on the median is ``after`` instead of ``before``; ``statistic`` is the rank sum's."""

    index: int
    before: float
    after: float
    statistic: float


def level_shifts(numbers: Sequence[float], least_size: float = 0.0) -> tuple[LevelShift, ...]:
    """All changes of level by ``least_size`` or more, in order."""
    values = np.asarray(numbers, float)
    cuts: dict[int, float] = {}
    segments = [(0, len(values))]
    while segments and len(cuts) < MOST_SHIFTS:
        start, end = segments.pop(0)
        at, statistic = max((_best_cut(values, *piece) for piece in _pieces(start, end)), key=lambda one: one[1])
        if statistic > LEAST_STATISTIC:
            cuts[at] = statistic
            segments += [(start, at), (at, end)]
    edges = [0, *sorted(cuts), len(values)]
    medians = [float(np.median(values[a:b])) for a, b in pairwise(edges)] if len(values) else []
    shifts = (LevelShift(at, medians[i], medians[i + 1], cuts[at]) for i, at in enumerate(edges[1:-1]))
    return tuple(one for one in shifts if abs(one.after - one.before) >= least_size)


def _pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The whole, its halves and the half between them, their halves and so on."""
    length, step = end - start, end - start
    while True:
        yield from ((at, at + length) for at in range(start, end - length + 1, max(step, 1)))
        length = -(-length // 2)
        step = length // 2
        if length < 2 * LEAST_SEGMENT:
            return


def _best_cut(numbers: NDArray[np.float64], start: int, end: int) -> tuple[int, float]:
    """The cut of a piece with the largest statistic, and that; 0 with too few numbers."""
    values, count = numbers[start:end], end - start
    if count < 2 * LEAST_SEGMENT:
        return start, 0.0
    cuts = np.arange(LEAST_SEGMENT, count - LEAST_SEGMENT + 1)
    sums = np.cumsum(_ranks(values))[cuts - 1]
    sigmas = np.sqrt(cuts * (count - cuts) * (count + 1) / 12.0)
    statistics = np.abs(sums - cuts * (count + 1) / 2.0) / sigmas
    best = int(np.argmax(statistics))
    return start + int(cuts[best]), float(statistics[best])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; equal numbers share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared: NDArray[np.float64] = (ends - (counts - 1) / 2.0)[places]
    return shared
