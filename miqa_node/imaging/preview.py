"""Makes the previews shown beside a verdict."""

from __future__ import annotations

import cv2
import numpy as np

from miqa_node.domain.image import Radiograph


def preview_png(radiograph: Radiograph, max_side: int) -> bytes:
    """The displayed image as an 8-bit gray PNG of at most ``max_side`` pixels per side, area-averaged.

    Pixels with different spacings are not resampled to squares.
    """
    rows, columns = radiograph.shape
    scale = min(1.0, max_side / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = cv2.resize(radiograph.display, size, interpolation=cv2.INTER_AREA)
    _, png = cv2.imencode(".png", (small.astype(np.uint16, copy=False) >> 8).astype(np.uint8))
    return bytes(png.tobytes())
