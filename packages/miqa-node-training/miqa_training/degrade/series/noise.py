"""Twice the noise of a CT series: white, or with the texture of the series itself."""

from __future__ import annotations

import cv2
import numpy as np

from miqa_training.degrade.series.stack import RealStack, Values

FACTOR = 2.0
ADDED = float(np.sqrt(FACTOR**2 - 1.0))
"""Independent noise of so many times the standard deviation doubles it."""
SMOOTHING_MM = 6.0
BODY_HU = -300.0
SOFT_HU = (0.0, 100.0)
LEAST_SCANNED_HU = -1000.0
"""A corner below this, and all that equals it, is padding."""


def white_noise(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Noise without a texture, as strong in every pixel of the scanned field."""
    deviation = _deviation(stack)
    added = rng.normal(0.0, ADDED * deviation, stack.values.shape).astype(np.float32)
    return stack.showing(np.where(_scanned(stack.values), stack.values + added, stack.values))


def own_noise(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Noise with the spectrum that soft tissue of the series has, weaker outside the body."""
    deviation, texture = _deviation(stack), _texture(stack)
    shape = stack.values.shape[1:]
    changed = np.empty_like(stack.values)
    for place, values in enumerate(stack.values):
        spectrum = np.fft.rfft2(rng.normal(size=shape)) * _filter(texture, shape)
        noise = np.fft.irfft2(spectrum, shape)
        noise *= ADDED * deviation / noise.std()
        near = cv2.GaussianBlur((values > BODY_HU).astype(np.float32), (0, 0), 10.0 / stack.spacing_mm)
        changed[place] = values + noise * (0.3 + 0.7 * near)
    return stack.showing(np.where(_scanned(stack.values), changed, stack.values))


def _scanned(values: Values) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    corner = values[:, :1, :1]
    return np.asarray((values != corner) | (corner > LEAST_SCANNED_HU))


def _deviation(stack: RealStack) -> float:
    side = max(3, round(SMOOTHING_MM / stack.spacing_mm) | 1)
    deviations = []
    for values in stack.values[:: max(1, len(stack) // 8)]:
        mean = cv2.blur(values, (side, side))
        square = cv2.blur(values * values, (side, side))
        soft = (mean > SOFT_HU[0]) & (mean < SOFT_HU[1])
        if soft.any():
            deviations.append(float(np.quantile(np.sqrt(np.maximum(square - mean * mean, 0.0))[soft], 0.25)))
    return float(np.median(deviations)) if deviations else 10.0


def _texture(stack: RealStack) -> Values:
    """Mean amplitude spectrum of the quietest 32 × 32 patches of soft tissue; flat without any."""
    patches = []
    for values in stack.values[:: max(1, len(stack) // 8)]:
        for top in range(0, values.shape[0] - 32, 16):
            for left in range(0, values.shape[1] - 32, 16):
                patch = values[top : top + 32, left : left + 32]
                if SOFT_HU[0] < patch.mean() < SOFT_HU[1]:
                    patches.append(patch - cv2.GaussianBlur(patch, (0, 0), 6.0))
    if len(patches) < 4:
        return np.ones((32, 32), np.float32)
    quiet = sorted(patches, key=lambda one: float(one.std()))[: max(4, len(patches) // 4)]
    return np.asarray(np.sqrt(np.mean([np.abs(np.fft.fft2(one)) ** 2 for one in quiet], axis=0)), np.float32)


def _filter(texture: Values, shape: tuple[int, ...]) -> Values:
    """The amplitudes by distance from the origin, for the half spectrum of an image of ``shape``."""
    frequency = np.fft.fftfreq(32)
    radius = np.hypot(*np.meshgrid(frequency, frequency)).ravel()
    classes = np.minimum((radius * 32 + 0.5).astype(int), 22)
    mean = np.bincount(classes, texture.ravel(), 23) / np.maximum(np.bincount(classes, minlength=23), 1)
    radii = np.hypot(*np.meshgrid(np.fft.rfftfreq(shape[1]), np.fft.fftfreq(shape[0]))) * 32
    return np.asarray(np.interp(radii, np.arange(23), mean), np.float32)
