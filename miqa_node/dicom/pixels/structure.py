"""Tells pixels that show something, however noisy, from pixels that hold nothing but noise.

Noise averages out and anatomy does not: what the means of large cells differ more than noise would make them differ is
something that was in the beam.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.pixels.reduction import reduced

CELLS = 16
"""Along the longer side; each has four quarters."""
LEAST_SIDE_PX = 128
LEAST_STRUCTURE = 2.0
"""Below it nothing was made out: noise of any kind has about 1, noisy chests and limbs mostly 5 and more
(docs/explanation/any-radiograph.md)."""
ROUNDED = 0.51
"""By how much a mean that is rounded to a whole number differs at most, and so both root mean squares."""


def shows_nothing(radiograph: Radiograph) -> bool:
    """Whether the valid pixels hold nothing but noise, perhaps over a smooth slope; no small image is said to.

    >>> noise = np.random.default_rng(0).normal(500.0, 90.0, (256, 256))
    >>> body = np.hypot(*np.mgrid[-1:1:256j, -1:1:256j]) < 0.6
    >>> images = (Radiograph(values.astype(np.uint16), None, (0, 4095), None) for values in (noise, noise + 90 * body))
    >>> [shows_nothing(image) for image in images]
    [True, False]
    """
    stored, valid = radiograph.stored, radiograph.valid
    if min(stored.shape) < LEAST_SIDE_PX:
        return False
    rows, columns = (max(4, round(length * CELLS / max(stored.shape))) for length in stored.shape)
    if valid is None and stored.dtype == np.uint16:
        structure, noise = _structure_and_noise(reduced(np.asarray(stored, np.uint16), 2 * rows, 2 * columns))
        if structure - ROUNDED > np.sqrt(LEAST_STRUCTURE) * (noise + ROUNDED):
            return False  # as it is with means that are not rounded, which takes three times as long
    values = stored.astype(np.float32)
    if valid is not None:
        values[~valid] = values[valid].mean()
    structure, noise = _structure_and_noise(reduced(values, 2 * rows, 2 * columns))
    return structure**2 < LEAST_STRUCTURE * noise**2


def _structure_and_noise(quarters: NDArray[np.integer] | NDArray[np.floating]) -> tuple[float, float]:
    """Root mean squares of cells over a smooth slope, and of the differences of their quarters."""
    quarters = quarters.astype(np.float64)
    left, right = quarters[:, 0::2], quarters[:, 1::2]
    cells = (left[0::2] + left[1::2] + right[0::2] + right[1::2]) / 4.0
    diagonal = (left[0::2] - left[1::2] - right[0::2] + right[1::2]) / 4.0  # of white noise as large as its cells
    y, x = np.mgrid[-1 : 1 : cells.shape[0] * 1j, -1 : 1 : cells.shape[1] * 1j]
    smooth = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(cells.size, -1)
    left_over = cells.ravel() - smooth @ np.linalg.lstsq(smooth, cells.ravel(), rcond=None)[0]
    return float(np.sqrt(np.mean(left_over**2))), float(np.sqrt(np.mean(diagonal**2)))
