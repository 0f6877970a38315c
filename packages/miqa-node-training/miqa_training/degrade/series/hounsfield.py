"""Hounsfield units that are wrong by about 30."""

from __future__ import annotations

import numpy as np

from miqa_training.degrade.series.stack import AIR_HU, RealStack

SHIFT_HU = 30.0


def offset(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """All values are 30 HU too high or too low: a wrong Rescale Intercept."""
    return stack.showing(stack.values + np.float32(SHIFT_HU * rng.choice((-1.0, 1.0))))


def wrong_water(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """The attenuation of water was calibrated 3 % too high or too low: air is right, water wrong by 30 HU."""
    factor = 1.0 + SHIFT_HU / 1000.0 * rng.choice((-1.0, 1.0))
    return stack.showing(((stack.values - AIR_HU) * factor + AIR_HU).astype(np.float32))
