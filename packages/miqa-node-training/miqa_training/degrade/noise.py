"""Noise: too few quanta; automatic ranging hides the low exposure, but grain remains visible."""

from __future__ import annotations

import math

import numpy as np

from miqa_training.degrade.physics import (
    LATITUDE_DECADES,
    DonorMaterial,
    Image,
    Simulator,
    at_severity,
    clip,
    exposure,
    field_noise,
    gaussian_blur,
)

DOSE_FRACTION = (1 / 2, 1 / 4, 1 / 8, 1 / 16)

QUANTA_PER_MM2_UGY = 30_174.0
"""Incident quanta of the beam quality RQA5 per mm² and µGy (IEC 62220-1-1)."""
EFFICIENCY = 0.25
"""Detective quantum efficiency of a CR plate at low frequency."""
MEDIAN_DOSE_UGY = 2.5
"""Detector air kerma behind the median of the body at exposure index 250 (IEC 62494-1: EI = 100 · K in µGy)."""
ELECTRONIC_NOISE = 0.004
"""Standard deviation of read-out noise relative to the median exposure, per 0.2 mm pixel."""
PROCESSING_GAIN = (1.4, 2.6)
"""Range of the gain that multi-scale processing applies to fine detail before display."""
BLUR_OF_DETECTOR_MM = 0.12


def noise(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """Quantum noise of 1/2, 1/4, 1/8, 1/16 of the dose, after automatic ranging (unchanged brightness)."""
    return with_quantum_noise(image, at_severity(severity, DOSE_FRACTION, nothing=1.0), rng, pitch_mm)


def with_quantum_noise(image: Image, fraction: float, rng: np.random.Generator, pitch_mm: float) -> Image:
    """The image with the noise of a fraction of its dose and unchanged brightness.

    At dose fraction f the variance of the exposure grows by var0(E)·(1/f - 1), where var0 = E / (quanta per pixel)
    is Poisson's. The noise is coloured by the detector's MTF, and an electronic floor is added, which matters at low
    exposure (mediastinum, abdomen). Sources: SCIENCE.md §1; IEC 62494-1, IEC 62220-1-1 for the quanta.
    """
    gain = rng.uniform(*PROCESSING_GAIN)
    light = exposure(image)
    median = max(float(np.median(light[::4, ::4])), 0.02)
    quanta = QUANTA_PER_MM2_UGY * EFFICIENCY * MEDIAN_DOSE_UGY * pitch_mm**2 / median
    quantum_variance = light * np.float32((1.0 / fraction - 1.0) / quanta)
    floor = (ELECTRONIC_NOISE * median * 0.2 / pitch_mm) ** 2 * (1.0 / fraction**2 - 1.0)
    sigma = np.sqrt(quantum_variance + np.float32(floor))
    relative = sigma / light * _coloured(image.shape, rng, BLUR_OF_DETECTOR_MM / pitch_mm)
    return clip(image - relative * np.float32(gain / (LATITUDE_DECADES * math.log(10.0))))


def _coloured(shape: tuple[int, ...], rng: np.random.Generator, sigma_px: float) -> Image:
    """Noise of unit variance with the MTF of the detector; a blur below a third of a pixel is ignored."""
    white = field_noise((shape[0], shape[1]), rng)
    if sigma_px < 0.33:
        return white
    blurred = gaussian_blur(white, sigma_px)
    return blurred / np.float32(max(float(blurred[::3, ::3].std()), 1e-6))


NOISE = Simulator(noise, order=90)
