"""Whether the mean of the newest numbers has left that of a sample: the limit is found by simulation.

The limit holds for all looks of half a year together, one after each number, and counts that the sample itself is one
of many that might have been drawn. No distribution is assumed: both sides are drawn from the sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW = 200
"""Numbers whose mean is compared."""
HALF_YEAR = 36_000
"""Numbers of a busy half year, 200 a day; fewer end a sound process more seldom."""
SIMULATIONS = 600
SOUND = 0.98
"""Share of simulated half years without an alarm; 95 % is asked for, of any sample."""
MARGIN = 1.15
"""By which the limit found is widened: a sample of 150 knows its own spread to a tenth."""
SHIFT = 0.1
"""The shift that has to be seen in one window."""


@dataclass(frozen=True, slots=True)
class ShiftLimit:
    """``limit`` of the difference of means, and the share of shifts by SHIFT that one window then shows."""

    mean: float
    limit: float
    power: float


def shift_limit(sample: Sequence[float], seed: int = 0) -> ShiftLimit:
    """The limit for a sample of at least one number."""
    rng, values = np.random.default_rng(seed), np.asarray(sample, np.float64)
    largest, shown = np.empty(SIMULATIONS), np.empty(SIMULATIONS)
    for number in range(SIMULATIONS):
        mean = rng.choice(values, len(values)).mean()
        largest[number] = np.abs(window_means(rng.choice(values, HALF_YEAR)) - mean).max()
        shown[number] = abs(np.clip(rng.choice(values, WINDOW) - SHIFT, 0.0, 1.0).mean() - mean)
    limit = MARGIN * float(np.quantile(largest, SOUND, method="higher"))
    return ShiftLimit(float(values.mean()), limit, float((shown > limit).mean()))


def window_means(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each WINDOW numbers in a row; empty if there are fewer."""
    if len(numbers) < WINDOW:
        return np.empty(0)
    sums = np.concatenate(([0.0], np.cumsum(numbers)))
    means: NDArray[np.float64] = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
    return means


def largest_shift(numbers: Sequence[float], mean: float) -> float:
    """The largest difference of any window's mean from ``mean``; 0 while no window is full."""
    differences: list[float] = np.abs(window_means(np.asarray(numbers, np.float64)) - mean).tolist()
    return max(differences, default=0.0)
