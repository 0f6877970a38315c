"""Numbers in a row that differ from those around them, such as one noisy slice of a series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    distances = np.abs(row - [_around(row, place) for place in range(len(row))])
    usual = max(1.4826 * float(np.median(distances)) * DEVIATIONS, LEAST_SHARE * abs(float(np.median(row))))
    strongest = [place for place in np.argsort(-distances, kind="stable") if distances[place] > max(usual, 1e-6)]
    return [int(places[place]) for place in strongest[:MOST]]


def _around(row: NDArray[np.float64], place: int) -> float:
    """The median of the neighbours of a number."""
    before, after = row[max(0, place - NEIGHBOURS) : place], row[place + 1 : place + 1 + NEIGHBOURS]
    return float(np.median(np.concatenate([before, after])))
