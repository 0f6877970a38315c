"""Windows that do not fit an image: far too wide, too narrow, or displaced; only evaluation draws them.

The network is shown images stretched between their percentiles, where a wide window leaves no trace. What these do is
judged by measurements of the display (``assess/displayed.py``), so training does not use them.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from miqa_node.degrade.physics import Image, at_severity, clip

SPAN_KEPT = (0.20, 0.12, 0.08, 0.04)
"""Part of the grey scale that a wide window leaves to the whole image."""
ENDS_CUT = (0.10, 0.20, 0.35, 0.50)
"""Share of the pixels that a narrow or displaced window makes pure white or black."""


class WindowError(StrEnum):
    """How a window misses an image."""

    WIDE = "wide"
    NARROW = "narrow"
    BRIGHT = "bright"
    DARK = "dark"


def mistake_window(image: Image, error: WindowError, severity: float, rng: np.random.Generator) -> Image:
    """The image, float32 in [0, 1], as it is displayed with that window, in 8 bits like most displays.

    WIDE: 20, 12, 8, 4 % of the grey scale remain. NARROW: 10, 20, 35, 50 % of the pixels are cut, half of them at
    each end. BRIGHT and DARK: the same share is burnt out, or crushed.
    """
    if severity == 0.0:
        return image.copy()
    if error is WindowError.WIDE:
        kept = np.float32(at_severity(severity, SPAN_KEPT, nothing=1.0))
        shown = image * kept + np.float32(rng.uniform(0.0, 1.0 - kept))
    else:
        cut = at_severity(severity, ENDS_CUT)
        shares = {WindowError.NARROW: (cut / 2, 1.0 - cut / 2), WindowError.BRIGHT: (0.0, 1.0 - cut)}
        low, high = np.quantile(image[::2, ::2], shares.get(error, (cut, 1.0)))
        shown = (image - np.float32(low)) / np.float32(max(high - low, 1e-3))
    return np.asarray(np.rint(clip(shown) * 255.0) / 255.0, dtype=np.float32)
