"""Over-exposure: a detector at its limit."""

from __future__ import annotations

import numpy as np

from miqa_training.degrade.physics import DonorMaterial, Image, Simulator, at_severity, clip

SATURATED_SHARE = (0.01, 0.03, 0.08, 0.20)


def overexposure_saturation(
    image: Image, severity: float, _: np.random.Generator, __: float, ___: DonorMaterial
) -> Image:
    """Exposure gain that saturates 1, 3, 8, 20 % of the body's pixels, which become black.

    Automatic ranging then spreads the other values over the old range, so the lungs become a black plateau without
    vessels and the rest hardly changes. The body consists of pixels brighter than the direct beam (display value 0.04
    above the darkest). Source: SCIENCE.md §1.
    """
    share = at_severity(severity, SATURATED_SHARE)
    sample = image[::2, ::2]
    darkest = float(np.quantile(sample, 0.002))
    body = sample[sample > darkest + 0.04]
    if body.size < 100:
        return image.copy()
    limit = float(np.quantile(body, share))
    fade = min(severity / 0.1, 1.0)
    limit = darkest + fade * (limit - darkest)
    lightest = max(float(sample.max()), limit + 1e-3)
    stretch = (lightest - darkest) / (lightest - limit)
    return clip(darkest + (np.maximum(image, np.float32(limit)) - np.float32(limit)) * np.float32(stretch))


OVEREXPOSURE_SATURATION = Simulator(overexposure_saturation, order=80)
