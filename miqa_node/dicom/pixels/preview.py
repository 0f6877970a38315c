"""Makes the previews shown beside a verdict."""

from __future__ import annotations

import cv2
import numpy as np

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.pixels.reduction import small_copy


def preview_png(radiograph: Radiograph, max_side: int) -> bytes:
    """The displayed image as an 8-bit gray PNG of at most ``max_side`` pixels per side, area-averaged.

    Pixels with different spacings are not resampled to squares.
    """
    _, png = cv2.imencode(".png", (radiograph.once(small_copy, max_side) >> 8).astype(np.uint8))
    return bytes(png.tobytes())
