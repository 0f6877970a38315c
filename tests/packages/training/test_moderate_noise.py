"""Noise that is doubled is that of the picture: anatomy does not count, and scanners may filter air or tissue."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pydicom import Dataset

from miqa_training.degrade.series.stack import RealStack
from miqa_training.moderate import mr

SIDE, NOISE = 192, 3.0
EVEN = np.s_[:, 80:112, 80:112]
"""Tissue without structure."""


def head(air: float) -> RealStack:
    """Tissue of 200 with folds around an even middle; noise of 3, in air so many times as much."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    random = np.random.default_rng(0)
    folds = cv2.GaussianBlur(random.normal(size=(SIDE, SIDE)), (0, 0), 1.0)
    inside, fold = np.hypot(y, x) < 70, 0.5 * folds / folds.std() * (np.hypot(y, x) > 50)
    signal = np.where(inside, 200.0 * (1.0 + np.clip(fold, -0.4, 0.4)), 0.0)
    strength = np.where(inside, NOISE, air * NOISE)
    real, imaginary = random.normal(size=(2, 6, SIDE, SIDE)) * strength
    values = np.hypot(signal + real, imaginary).astype(np.float32)
    return RealStack(tuple(Dataset() for _ in values), values)


@pytest.mark.parametrize(("air", "factor"), [(1.0, 2.0), (0.0, 2.0), (0.3, 2.0), (2.0, np.sqrt(1.0 + 3.0 * 4.0))])
def test_noise_doubles_whatever_the_anatomy(air: float, factor: float) -> None:
    """Of air that has twice the noise of tissue, where tissue was smoothed, it is twice that of air."""
    stack = head(air)
    noisy = mr.noise_doubled(stack, np.random.default_rng(1)).values
    assert stack.values[EVEN].std() == pytest.approx(NOISE, rel=0.05)
    assert noisy[EVEN].std() == pytest.approx(factor * NOISE, rel=0.1)
