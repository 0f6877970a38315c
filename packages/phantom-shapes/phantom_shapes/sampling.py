"""Values between pixels, and profiles: what measures of phantoms read along lines and circles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arrays import Array

REACH = 4.0
"""Of a smoothing kernel, in standard deviations."""


def between_pixels(image: NDArray[np.floating], rows: Array, columns: Array) -> Array:
    """Bilinear values at points; those outside of the image are those of its edge.

    >>> image = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> between_pixels(image, np.array([0.5, 9.0]), np.array([0.5, 0.0])).tolist()
    [1.5, 2.0]
    """
    high, wide = image.shape[0] - 1, image.shape[1] - 1
    y, x = np.clip(rows, 0.0, high), np.clip(columns, 0.0, wide)
    top, side = np.minimum(y.astype(int), max(high - 1, 0)), np.minimum(x.astype(int), max(wide - 1, 0))
    below, beside = np.minimum(top + 1, high), np.minimum(side + 1, wide)
    down, right = y - top, x - side
    upper = image[top, side] * (1.0 - right) + image[top, beside] * right
    lower = image[below, side] * (1.0 - right) + image[below, beside] * right
    return np.asarray(upper * (1.0 - down) + lower * down, np.float64)


def smooth(profile: Array, sigma: float, *, closed: bool = False) -> Array:
    """A Gaussian of so many samples along the last axis; a ``closed`` profile goes on at its other end.

    >>> smooth(np.array([0.0, 0.0, 1.0, 0.0, 0.0]), 0.5).round(2).tolist()
    [0.0, 0.11, 0.79, 0.11, 0.0]
    """
    reach = max(1, int(np.ceil(REACH * sigma)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    pad = [(0, 0)] * (profile.ndim - 1) + [(reach, reach)]
    padded = np.pad(profile, pad, mode="wrap" if closed else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=-1)
    return np.asarray(windows @ kernel, np.float64)


def peaks(profile: Array, distance: int) -> NDArray[np.int_]:
    """Places of local maxima, the higher of two that are nearer than ``distance``.

    >>> peaks(np.array([0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 3.0, 0.0]), 3).tolist()
    [1, 6]
    """
    inner = profile[1:-1]
    tops = np.flatnonzero((inner > profile[:-2]) & (inner >= profile[2:])) + 1
    chosen: list[int] = []
    for top in tops[np.argsort(-profile[tops], kind="stable")].tolist():
        if all(abs(top - other) >= distance for other in chosen):
            chosen.append(top)
    return np.array(sorted(chosen), dtype=int)
