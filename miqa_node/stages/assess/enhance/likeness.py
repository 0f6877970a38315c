"""Similarity of an enhanced image and its original: peak signal to noise ratio and structural similarity."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""Display values from 0 to 1, shape (rows, columns)."""

BEST_DB = 99.0
"""Value for an unchanged image."""


def psnr_db(image: Image, original: Image) -> float:
    """Peak signal to noise ratio of display values, the peak being white."""
    error = float(np.mean((np.clip(image, 0.0, 1.0) - original) ** 2))
    return BEST_DB if error <= 0.0 else min(BEST_DB, -10.0 * math.log10(error))


def ssim(image: Image, original: Image) -> float:
    """Structural similarity (Wang, Bovik, Sheikh, Simoncelli, TIP 13, 2004): 11 × 11 Gaussian, range 1."""

    def mean(values: Image) -> Image:
        return cast("Image", cv2.GaussianBlur(values, (11, 11), 1.5))

    x, y = np.clip(image, 0.0, 1.0), original
    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mx * my + c1) * (2 * vxy + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(similarity[5:-5, 5:-5].mean())
