"""The noise at each grey level of an image, and a scale on which it is the same at all levels.

Quantum noise grows where exposure is low. On the common scale, methods that assume one noise level work everywhere
(variance stabilisation, after Anscombe, Biometrika 35, 1948; estimated from the image instead of assumed).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.assess.enhance.plane import Levels

MAD_TO_SIGMA = 0.6745
BINS, BIN_PIXELS = 24, 400
LEAST_SIGMA = 2e-4
"""In display units; noise below a twentieth of an 8-bit grey level need not be removed."""


@dataclass(frozen=True, slots=True)
class NoiseLevel:
    """``sigma[i]`` is the noise's standard deviation at level ``at[i]``, both in display units."""

    at: NDArray[np.float64]
    sigma: NDArray[np.float64]

    @property
    def typical(self) -> float:
        """The median over the levels of the image."""
        return float(np.median(self.sigma))

    def stabilise(self, levels: Levels) -> Levels:
        """Levels on the scale where the noise has standard deviation 1."""
        at, scale = self._scale()
        return cast("Levels", np.interp(levels, at, scale).astype(np.float32))

    def restore(self, stabilised: Levels) -> Levels:
        """Back from :meth:`stabilise`."""
        at, scale = self._scale()
        return cast("Levels", np.interp(stabilised, scale, at).astype(np.float32))

    def _scale(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        at = np.linspace(-1.0, 2.0, 3001)
        density = 1.0 / np.interp(at, self.at, self.sigma)
        steps = 0.5 * (density[1:] + density[:-1]) * np.diff(at)
        return at, np.concatenate([[0.0], np.cumsum(steps)])


def noise_level(levels: Levels) -> NoiseLevel:
    """Noise by level: median absolute deviations of Haar details, in bins of the local mean.

    All three details of the first and second scale count: the finest diagonal detail alone (cf. Donoho, Johnstone 1994)
    underestimates noise that the detector has blurred.
    """
    mean, details = _haar(levels)
    mean_2, details_2 = _haar(mean)
    bins = min(BINS, max(1, mean.size // BIN_PIXELS))
    edges = np.unique(np.quantile(mean, np.linspace(0.0, 1.0, bins + 1)))
    at, sigma = [], []
    for low, high in pairwise(edges):
        inside, inside_2 = (mean >= low) & (mean <= high), (mean_2 >= low) & (mean_2 <= high)
        if np.count_nonzero(inside) < BIN_PIXELS // 2 or np.count_nonzero(inside_2) < BIN_PIXELS // 16:
            continue
        fine = [_deviation(band[inside]) ** 2 for band in details]
        coarse = [_deviation(band[inside_2]) ** 2 for band in details_2]
        # A pixel's variance is the mean over its four bands. The fourth is the local mean; its noise follows from its
        # own details (it is half of an orthonormal band). Structure affects the smallest of those least.
        variance = 0.25 * sum(fine) + 0.25 * 4.0 * min(coarse)
        at.append(float(np.median(mean[inside])))
        sigma.append(max(LEAST_SIGMA, variance**0.5))
    if not at:
        return NoiseLevel(np.array([0.0, 1.0]), np.array([LEAST_SIGMA, LEAST_SIGMA]))
    smooth = np.convolve(np.pad(sigma, 2, mode="edge"), np.ones(5) / 5.0, mode="valid")
    return NoiseLevel(np.asarray(at), np.asarray(smooth))


def _haar(levels: Levels) -> tuple[Levels, tuple[Levels, Levels, Levels]]:
    """Mean of 2 × 2 pixels, and the orthonormal horizontal, vertical and diagonal details."""
    rows, columns = levels.shape[0] // 2 * 2, levels.shape[1] // 2 * 2
    a, b = levels[0:rows:2, 0:columns:2], levels[0:rows:2, 1:columns:2]
    c, d = levels[1:rows:2, 0:columns:2], levels[1:rows:2, 1:columns:2]
    half = np.float32(0.5)
    mean = cv2.resize(levels[:rows, :columns], (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
    return cast("Levels", mean), ((a - b + c - d) * half, (a + b - c - d) * half, (a - b - c + d) * half)


def _deviation(values: Levels) -> float:
    return float(np.median(np.abs(values))) / MAD_TO_SIGMA
