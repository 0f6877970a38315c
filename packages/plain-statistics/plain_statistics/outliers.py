"""Numbers in a row that differ from those around them, such as one noisy slice of a series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .robust import TO_SIGMA

NEIGHBOURS = 4
"""On each side: anatomy changes a measurement over a series, but not within a few slices."""
LEAST_COUNT = 7
"""Fewer numbers do not say what is usual."""
DEVIATIONS = 6.0
"""A number counts from this many standard deviations on; of normal ones about one in 10,000 series has such a slice."""
LEAST_SHARE = 0.05
"""Of the median: what differs less is seen by nobody, however even the rest is."""
MOST = 3
"""A row with more has no outliers, it has a pattern; the strongest are named."""


def outliers(values: NDArray[np.float32]) -> list[int]:
    """Positions of up to ``MOST`` numbers that stand out, the strongest first; NaN takes no part.

    Each number is compared with the median of its neighbours; how far such differences usually reach is 1.4826 times
    their median absolute deviation, which a few outliers do not move.

    >>> even = np.array([20.0, 21, 20, 19, 20, 21, 20, 19, 20, 20], np.float32)
    >>> outliers(even)
    []
    >>> even[6] = 45.0
    >>> outliers(even)
    [6]
    """
    places = np.flatnonzero(np.isfinite(values))
    if len(places) < LEAST_COUNT:
        return []
    row = values[places].astype(np.float64)
    distances = np.abs(row - _around(row))
    spread = TO_SIGMA * float(np.median(distances)) * DEVIATIONS
    usual = max(spread, LEAST_SHARE * abs(float(np.median(row))), _step(row), 1e-6)
    strongest = [place for place in np.argsort(-distances, kind="stable") if distances[place] > usual]
    return [int(places[place]) for place in strongest[:MOST]]


def _step(row: NDArray[np.float64]) -> float:
    """The least difference of unequal numbers: those that are counted in steps differ by one now and then.

    A row of such numbers is often even, so that the deviation of most of them is none. Of two values nobody knows
    whether they are one step apart.

    >>> round(_step(np.array([24.0, 24.0, 25.5, 22.5, 24.0, 39.0])), 2)
    1.52
    >>> _step(np.array([24.0, 24.0, 24.0, 39.0]))
    0.0
    """
    values = np.unique(row)
    return 1.01 * float(np.diff(values).min()) if len(values) > 2 else 0.0


def _around(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of the neighbours of each number, of which those at the ends have fewer.

    >>> _around(np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])).tolist()
    [6.0, 8.0, 8.0, 4.0, 4.0, 6.0]
    """
    padding = np.full(NEIGHBOURS, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([padding, row, padding]), 2 * NEIGHBOURS + 1)
    neighbours = np.sort(np.delete(windows, NEIGHBOURS, axis=1), axis=1)  # NaN comes last
    count = np.count_nonzero(np.isfinite(neighbours), axis=1)
    places = np.arange(len(row))
    medians: NDArray[np.float64] = (neighbours[places, (count - 1) // 2] + neighbours[places, count // 2]) / 2.0
    return medians
