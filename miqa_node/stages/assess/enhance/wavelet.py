"""Wavelet shrinkage: weak coefficients of every scale are treated as noise and removed."""

from __future__ import annotations

import numpy as np

from miqa_node.stages.assess.enhance.noise_level import MAD_TO_SIGMA, noise_level
from miqa_node.stages.assess.enhance.plane import Levels

WAVELET, SCALES = "sym4", 4
SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""The result is averaged over shifts to hide the wavelets' grid (cycle spinning, Coifman, Donoho 1995)."""


def wavelet_shrinkage(levels: Levels) -> tuple[Levels, str]:
    """BayesShrink: soft threshold σ² / σ_x in every band (Chang, Yu, Vetterli, TIP 9, 2000), by PyWavelets.

    Detectors blur noise, so each scale has its own noise level (level-dependent thresholds, Johnstone, Silverman 1997):
    the finest scale from every band, the next from the quietest band. A coarser scale never gets a higher level, as
    only structure can cause that.
    """
    noise = noise_level(levels)
    stable = noise.stabilise(levels)
    result = np.zeros_like(stable)
    for down, right in SHIFTS:
        shrunken = _shrink(np.roll(stable, (down, right), (0, 1)))
        result += np.roll(shrunken, (-down, -right), (0, 1))
    words = f"BayesShrink of {SCALES} scales of {WAVELET} wavelets, noise {noise.typical:.2%} of the display range"
    return noise.restore(result / np.float32(len(SHIFTS))), words


def _shrink(stable: Levels) -> Levels:
    import pywt  # noqa: PLC0415 - only enhancement needs it

    scales = min(SCALES, pywt.dwtn_max_level(stable.shape, WAVELET))
    if scales < 1:
        return stable
    coefficients = pywt.wavedec2(stable, WAVELET, mode="symmetric", level=scales)
    shrunken, ceiling = [coefficients[0]], float("inf")
    for scale, bands in enumerate(reversed(coefficients[1:])):  # finest first
        sigmas = [float(np.median(np.abs(band))) / MAD_TO_SIGMA for band in bands]
        if scale > 0:
            ceiling = min(ceiling, *sigmas)
            sigmas = [ceiling] * len(bands)
        shrunken.insert(1, tuple(_soften(band, sigma) for band, sigma in zip(bands, sigmas, strict=True)))
    restored = pywt.waverec2(shrunken, WAVELET, mode="symmetric")
    return np.asarray(restored[: stable.shape[0], : stable.shape[1]], np.float32)


def _soften(band: Levels, sigma: float) -> Levels:
    import pywt  # noqa: PLC0415

    signal = max(0.0, float(np.mean(band**2)) - sigma**2) ** 0.5
    threshold = sigma**2 / signal if signal > 0.0 else float(np.abs(band).max())
    return np.asarray(pywt.threshold(band, threshold, mode="soft"), np.float32)
