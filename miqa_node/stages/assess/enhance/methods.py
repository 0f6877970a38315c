"""All enhancement methods by name: each function takes levels and returns levels and a description of the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import cv2
import numpy as np

from miqa_node.errors import SettingsError
from miqa_node.stages.assess.enhance.collaborative import collaborative_filter
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


CLIP_LIMIT, TILES = 2.0, 8
EXPONENT = 0.7
"""Details of contrast x become x ** EXPONENT, relative to the strongest of the same scale."""
MOST_GAIN = 2.5
NOISE_CORE = 3.0
"""Below this many standard deviations of the noise, the gain falls to 1."""
LEAST_SIDE_PX = 24


def equalise(levels: Levels) -> tuple[Levels, str]:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994), by OpenCV, 16 bits."""
    grays = np.rint(np.clip(levels, 0.0, 1.0) * np.float32(65535)).astype(np.uint16)
    equalised = cv2.createCLAHE(CLIP_LIMIT, (TILES, TILES)).apply(grays)
    result = equalised.astype(np.float32) / np.float32(65535)
    return result, f"CLAHE, clip limit {CLIP_LIMIT:g}, {TILES} x {TILES} tiles"


def amplify_details(levels: Levels) -> tuple[Levels, str]:
    """Multi-scale contrast amplification (Vuylsteke, Schoeters, SPIE 2167, 1994) on a Laplacian pyramid.

    Weak details of every scale are amplified, by MOST_GAIN at most; strong ones are kept. In the finest scales, details
    within the noise stay unchanged. The range of grey levels stays the same.
    """
    noise = noise_level(levels).typical
    pyramid, scales = [np.clip(levels, 0.0, 1.0)], 0
    while min(pyramid[-1].shape) > LEAST_SIDE_PX:
        pyramid.append(cast("Levels", cv2.pyrDown(pyramid[-1])))
        scales += 1
    result = pyramid[-1]
    for scale in range(scales - 1, -1, -1):
        fine = pyramid[scale]
        detail = fine - _wider(pyramid[scale + 1], fine)
        result = _wider(result, fine) + _amplified(detail, noise * 0.5**scale)
    low, high = (np.percentile(image[::4, ::4], (0.5, 99.5)) for image in (levels, result))
    span = np.float32((low[1] - low[0]) / max(1e-6, high[1] - high[0]))
    ranged = (result - np.float32(high[0])) * span + np.float32(low[0])
    words = f"multi-scale contrast on {scales} scales, exponent {EXPONENT:g}, gain at most {MOST_GAIN:g}"
    return np.clip(ranged, 0.0, 1.0).astype(np.float32), words


def _wider(small: Levels, fine: Levels) -> Levels:
    return cast("Levels", cv2.pyrUp(small, dstsize=fine.shape[::-1]))


def _amplified(detail: Levels, sigma: float) -> Levels:
    """X · (strongest / |x|) ** (1 - EXPONENT), limited; gain 1 below the noise."""
    size = np.abs(detail)
    strongest = max(1e-6, float(np.percentile(size[::2, ::2], 99.0)))
    gain = np.minimum((strongest / np.maximum(size, 1e-6)) ** np.float32(1.0 - EXPONENT), np.float32(MOST_GAIN))
    gain = np.maximum(gain, np.float32(1.0))
    trust = np.float32(1.0) - np.exp(-np.square(size / np.float32(max(1e-6, NOISE_CORE * sigma))))
    return np.asarray(detail * (1.0 + (gain - 1.0) * trust), np.float32)


PATCH_PX, SEARCH_PX = 5, 17
STRENGTH = 0.9
"""Mean difference of patches, in standard deviations of the noise, at which a pixel's weight is 1/e."""
COUNTS_PER_SIGMA = 64.0


def nonlocal_means(levels: Levels) -> tuple[Levels, str]:
    """Buades, Coll, Morel (CVPR 2005), by OpenCV, on levels with uniform noise (:mod:`.noise_level`)."""
    noise = noise_level(levels)
    stable = noise.stabilise(levels)
    lowest = float(stable.min())
    per_sigma = min(COUNTS_PER_SIGMA, 65000.0 / max(1.0, float(stable.max()) - lowest))
    counts = np.rint((stable - np.float32(lowest)) * np.float32(per_sigma)).astype(np.uint16)
    cleaned = cv2.fastNlMeansDenoising(counts, [STRENGTH * per_sigma], None, PATCH_PX, SEARCH_PX, cv2.NORM_L1)
    result = noise.restore(cast("Levels", cleaned.astype(np.float32) / np.float32(per_sigma) + np.float32(lowest)))
    words = (
        f"non-local means of {PATCH_PX} x {PATCH_PX} pixels within {SEARCH_PX} x {SEARCH_PX}, "
        f"noise {noise.typical:.2%} of the display range"
    )
    return result, words


Function = Callable[[Levels], tuple[Levels, str]]
"""From levels, float32 (rows, columns), 0 black and 1 white, to enhanced levels and the step in words."""

LEARNED = "learned"
"""The method that needs a model package (:mod:`.denoiser`)."""
JOIN = "+"


class Purpose(StrEnum):
    """Purpose of a method."""

    DENOISE = "denoise"
    CONTRAST = "contrast"


@dataclass(frozen=True, slots=True)
class EnhancementMethod:
    """One method; ``what`` describes it in a few words."""

    name: str
    purpose: Purpose
    what: str
    function: Function | None
    """None for the learned method, whose function comes with its package."""


METHODS: Mapping[str, EnhancementMethod] = {
    method.name: method
    for method in (
        EnhancementMethod(LEARNED, Purpose.DENOISE, "residual network of the package denoiser", None),
        EnhancementMethod("nlm", Purpose.DENOISE, "non-local means", nonlocal_means),
        EnhancementMethod("wavelet", Purpose.DENOISE, "BayesShrink of wavelets", wavelet_shrinkage),
        EnhancementMethod(
            "bm3d", Purpose.DENOISE, "collaborative filtering of the BM3D type; slow", collaborative_filter
        ),
        EnhancementMethod("clahe", Purpose.CONTRAST, "contrast-limited adaptive histogram equalisation", equalise),
        EnhancementMethod(
            "multiscale", Purpose.CONTRAST, "multi-scale contrast on a Laplacian pyramid", amplify_details
        ),
    )
}


def parse_methods(text: str) -> tuple[EnhancementMethod, ...]:
    """The methods of a chain such as ``learned+multiscale``, in order; SettingsError lists the known ones.

    >>> [method.name for method in parse_methods("nlm+clahe")]
    ['nlm', 'clahe']
    """
    names = [name.strip() for name in text.split(JOIN)]
    if unknown := [name for name in names if name not in METHODS]:
        raise SettingsError(
            f"There is no enhancement method {unknown[0]!r}; there are {', '.join(METHODS)}, "
            f"and chains of them such as learned{JOIN}multiscale."
        )
    return tuple(METHODS[name] for name in names)
