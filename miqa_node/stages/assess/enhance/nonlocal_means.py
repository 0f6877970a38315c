"""Non-local means: every pixel becomes a mean of pixels with similar surroundings."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from miqa_node.stages.assess.enhance.noise_level import noise_level
from miqa_node.stages.assess.enhance.plane import Levels

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
