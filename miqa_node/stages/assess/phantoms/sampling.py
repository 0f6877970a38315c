"""Values between pixels, and smooth profiles."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REACH = 4.0
"""A Gaussian ends after so many standard deviations."""


def sampled(image: NDArray[np.generic], rows: Array, columns: Array) -> Array:
    """Bilinear values of a (rows, columns) image at these places, which broadcast; outside, those of its edge."""
    values = image.astype(np.float64, copy=False)
    rows, columns = np.broadcast_arrays(rows.clip(0, image.shape[0] - 1), columns.clip(0, image.shape[1] - 1))
    top, left = rows.astype(np.intp), columns.astype(np.intp)
    bottom, right = np.minimum(top + 1, image.shape[0] - 1), np.minimum(left + 1, image.shape[1] - 1)
    down, across = rows - top, columns - left
    upper = values[top, left] * (1.0 - across) + values[top, right] * across
    lower = values[bottom, left] * (1.0 - across) + values[bottom, right] * across
    return np.asarray(upper * (1.0 - down) + lower * down, np.float64)


def smoothed(profiles: Array, sigma: float, beyond: Literal["edge", "symmetric", "wrap"] = "edge") -> Array:
    """A Gaussian of ``sigma`` samples along the last axis; ``beyond`` says what lies outside, as ``numpy.pad``."""
    reach = max(1, int(REACH * sigma + 0.5))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    widths = [(0, 0)] * (profiles.ndim - 1) + [(reach, reach)]
    wide = np.pad(profiles, widths, mode=beyond)
    windows = np.lib.stride_tricks.sliding_window_view(wide, 2 * reach + 1, axis=-1)
    return np.asarray(windows @ (weights / weights.sum()), np.float64)


def peaks(profile: Array, distance: int) -> NDArray[np.intp]:
    """Places of the local maxima of which none is nearer than ``distance`` samples to a higher one, in order."""
    inner = profile[1:-1]
    places = 1 + np.flatnonzero((inner > profile[:-2]) & (inner >= profile[2:]))
    chosen: list[int] = []
    for place in places[np.argsort(-profile[places], kind="stable")]:
        if all(abs(int(place) - other) >= distance for other in chosen):
            chosen.append(int(place))
    return np.array(sorted(chosen), np.intp)
