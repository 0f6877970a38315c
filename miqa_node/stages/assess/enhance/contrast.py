"""More visible contrast: local histogram equalisation, and amplification of weak details at every scale."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from miqa_node.stages.assess.enhance.noise_level import noise_level
from miqa_node.stages.assess.enhance.plane import Levels

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
