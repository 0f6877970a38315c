"""Two exposures on one detector."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from miqa_training.degrade.physics import DonorMaterial, Image, Simulator, at_severity, display, exposure

SECOND_SHARE = (0.1, 0.2, 0.35, 0.5)
SHIFT_MM = (5.0, 50.0)


def double_exposure(
    image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, more: DonorMaterial
) -> Image:
    """E = (1 - a)·E1 + a·E2, a = 0.1, 0.2, 0.35, 0.5: the same patient moved by 5 to 50 mm, or another patient.

    If there is a ``more.other``, half of the draws use it. Source: SCIENCE.md §1.
    """
    share = at_severity(severity, SECOND_SHARE)
    distance_px = rng.uniform(*SHIFT_MM) / pitch_mm
    direction = rng.uniform(0.0, 2.0 * np.pi)
    turn_degrees = rng.uniform(-4.0, 4.0)
    someone_else = rng.uniform() < 0.5
    rows, columns = image.shape
    second = image
    if more.other is not None and someone_else:
        second = cast("Image", cv2.resize(more.other, (columns, rows), interpolation=cv2.INTER_AREA))
    move = cv2.getRotationMatrix2D((columns / 2, rows / 2), turn_degrees, 1.0).astype(np.float64, copy=False)
    move[:, 2] += distance_px * np.array([np.cos(direction), np.sin(direction)])
    second = cast("Image", cv2.warpAffine(second, move, (columns, rows), flags=cv2.INTER_LINEAR, borderValue=1.0))
    return display(exposure(image) * np.float32(1.0 - share) + exposure(second) * np.float32(share))


DOUBLE_EXPOSURE = Simulator(double_exposure, order=40)
