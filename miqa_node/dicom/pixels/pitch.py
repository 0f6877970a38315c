"""The size of a pixel where a header does not say it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

USUAL_FIELD_MM = 400.0
"""Assumed longer side of a chest radiograph with unknown pixel spacing."""


def pitch_of(image: NDArray[np.float32]) -> float:
    """The pixel pitch in mm, assuming that the longer side is 400 mm; nothing but padding counts as one pixel."""
    return USUAL_FIELD_MM / float(max(1, *image.shape))
