"""Under-exposure without automatic ranging: the picture is too bright, and its densest parts are flat white."""

from __future__ import annotations

import math

import numpy as np

from miqa_training.degrade.noise import DOSE_FRACTION, with_quantum_noise
from miqa_training.degrade.physics import LATITUDE_DECADES, DonorMaterial, Image, Simulator, at_severity, clip

UNCORRECTED = (0.35, 0.75)
"""Range of the share of the brightness change that ranging does not correct."""


def underexposure(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """1/2, 1/4, 1/8, 1/16 of the dose without ranging: lighter by log10(1/f) of the latitude, with its noise.

    Values above white stay white, so mediastinum and abdomen lose their structure first. The noise corresponds to the
    milder half of the loss, because the presentation curve is flat at bright display values.
    """
    fraction = at_severity(severity, DOSE_FRACTION, nothing=1.0)
    noisy = with_quantum_noise(image, math.sqrt(fraction), rng, pitch_mm)
    lighter = rng.uniform(*UNCORRECTED) * math.log10(1.0 / fraction) / LATITUDE_DECADES
    return clip(noisy + np.float32(lighter))


UNDEREXPOSURE = Simulator(underexposure, order=85)
