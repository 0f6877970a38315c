"""Grain over structure by its formula, block by block, with filters of another library."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tests.stages.measure.phantoms import chest
from tests.stages.measure.proofs.agreement import agree
from tests.stages.measure.proofs.test_proofs_of_radiographs import values

pytestmark = pytest.mark.more

SIDE, WHITE = 16, 4095.0


def by_the_formula(image: NDArray[np.float64]) -> float:
    """Of a picture of no more than 640 pixels that is shown linearly."""
    levels = np.clip(np.rint(image), 0, WHITE) * 255.0 / WHITE
    smooth = ndimage.gaussian_filter(levels, 2.0)
    gradient = np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1)) / 8.0
    blocks = []
    for top in range(0, levels.shape[0] - SIDE + 1, SIDE):
        for left in range(0, levels.shape[1] - SIDE + 1, SIDE):
            part = levels[top : top + SIDE, left : left + SIDE]
            if np.mean((part < 3.5) | (part > 251.5)) >= 0.02:
                continue
            slope = gradient[top : top + SIDE, left : left + SIDE].mean() + 0.25
            fine, coarse = diagonal(part), diagonal(low(part))
            blocks.append((part.mean(), spread(fine) / np.sqrt(spread(coarse) * slope)))
    middle = np.median([brightness for brightness, _ in blocks])
    return float(np.median([ratio for brightness, ratio in blocks if brightness >= middle]))


def low(part: NDArray[np.float64]) -> NDArray[np.float64]:
    return (part[0::2, 0::2] + part[0::2, 1::2] + part[1::2, 0::2] + part[1::2, 1::2]) / 2.0


def diagonal(part: NDArray[np.float64]) -> NDArray[np.float64]:
    return (part[0::2, 0::2] - part[0::2, 1::2] - part[1::2, 0::2] + part[1::2, 1::2]) / 2.0


def spread(detail: NDArray[np.float64]) -> float:
    return float(np.sqrt((np.sqrt(np.pi / 2.0) * np.abs(detail).mean()) ** 2 + 0.02))


@pytest.mark.parametrize("noise", [0.0, 8.0, 40.0])
def test_grain_over_structure_is_its_formula(noise: float) -> None:
    image = chest(noise=noise)
    agree("grain_over_structure", values(image)["grain_over_structure"], by_the_formula(image))
