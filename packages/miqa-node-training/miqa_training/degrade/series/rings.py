"""Rings around the axis of rotation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from miqa_training.degrade.series.stack import AIR_HU, RealStack

RADII_MM = (12.0, 90.0)
DRAWN_HU = (20.0, 40.0)
CHANNEL_PEAK_HU = (25.0, 50.0)


def drawn_ring(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """One circle of 1 to 3 pixels, of 20 to 40 HU, around the middle of the image."""
    distance = _distance(stack)
    radius, width = rng.uniform(*RADII_MM) / stack.spacing_mm, rng.uniform(0.5, 1.5)
    added = rng.uniform(*DRAWN_HU) * rng.choice((-1, 1)) * np.exp(-0.5 * ((distance - radius) / width) ** 2)
    return stack.showing(stack.values + added * _exposed(stack))


def weak_channel(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """One channel of the detector reads too little in all views, filtered and back-projected with the rest.

    A channel that is off by the same amount in all views gives ∫ q(r cos θ) dθ, q being the ramp filter's answer to
    one channel: a ring with a bright and a dark side, blurred by the detector over a pixel. It is 25 to 50 HU.
    """
    distance = _distance(stack)
    samples = np.arange(0.0, float(distance.max()) + 2.0, 0.5)
    profile = _back_projected(samples, rng.uniform(*RADII_MM) / stack.spacing_mm)
    profile *= rng.choice((-1, 1)) * rng.uniform(*CHANNEL_PEAK_HU) / np.abs(profile[samples > 2.0]).max()
    added = np.interp(distance, samples, profile).astype(np.float32)
    return stack.showing(stack.values + added * _exposed(stack))


def _distance(stack: RealStack) -> NDArray[np.float32]:
    rows, columns = stack.values.shape[1:]
    y, x = np.ogrid[:rows, :columns]
    away = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2)
    return np.asarray(away, np.float32)


def _exposed(stack: RealStack) -> NDArray[np.float32]:
    """1 in tissue, .3 in air of the field, 0 where nothing was reconstructed."""
    return np.where(stack.values > -900.0, 1.0, np.where(stack.values > AIR_HU - 1.0, 0.3, 0.0)).astype(np.float32)


def _back_projected(samples: NDArray[np.float64], channel: float) -> NDArray[np.float64]:
    angles = np.linspace(0.0, np.pi, 720, endpoint=False)
    away = samples[:, None] * np.cos(angles)[None, :] - channel
    near = np.abs(away)
    # The filter of Ramachandran and Lakshminarayanan, between its samples: ½ in the middle, negative beside it.
    answer = np.where(near < 1.0, 0.5 - 0.7026 * near, -2.0 / (np.pi**2 * np.maximum(near, 1.0) ** 2))
    blur = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)  # one pixel, in steps of half a pixel
    return np.convolve(answer.mean(axis=1), blur / blur.sum(), "same")
