"""Under-exposure that no automatic ranging corrects: the picture is too bright and its densest parts are flat white."""

from __future__ import annotations

import math

import numpy as np

from miqa_node.degrade.noise import DOSE_FRACTION, with_quantum_noise
from miqa_node.degrade.physics import LATITUDE_DECADES, DonorMaterial, Image, Simulator, at_severity, clip

UNCORRECTED = (0.35, 0.75)
"""Share of the loss of brightness that ranging leaves, as range to draw from."""


def underexposure(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial) -> Image:
    """1/2, 1/4, 1/8, 1/16 of the dose, shown as it is: lighter by log10(1/f) of the latitude, with the noise of it.

    What lies above white stays white, so mediastinum and abdomen lose their structure first. The noise is that of
    the milder half of the loss, since bright display values are where the presentation curve is flat.
    """
    fraction = at_severity(severity, DOSE_FRACTION, nothing=1.0)
    noisy = with_quantum_noise(image, math.sqrt(fraction), rng, pitch_mm)
    lighter = rng.uniform(*UNCORRECTED) * math.log10(1.0 / fraction) / LATITUDE_DECADES
    return clip(noisy + np.float32(lighter))


UNDEREXPOSURE = Simulator(underexposure, order=85)
