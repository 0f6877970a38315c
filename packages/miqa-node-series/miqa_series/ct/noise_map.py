"""The noise of a CT slice by place: what `ct_noise` makes one number of, as a map of blocks."""

from __future__ import annotations

import cv2
import numpy as np

from miqa_node.stages.measure.series_view import SliceView, Values
from miqa_series.ct.body import NOISE_WINDOW_MM, SOFT_TISSUE_HU, ct_slice


def block_side_px(spacing_mm: float) -> int:
    """Side of a block: the window of `ct_noise`, 6 mm, as an odd number of pixels.

    >>> block_side_px(0.7), block_side_px(2.0)
    (9, 3)
    """
    return max(3, round(NOISE_WINDOW_MM / spacing_mm) | 1)


def noise_map(view: SliceView, side: int) -> Values:
    """Standard deviation (HU) of each block of ``side`` pixels, float32 (rows // side, columns // side).

    NaN where a block is not wholly inside the body, or its mean is not that of soft tissue. Edges of organs raise it.
    """
    plane = view.once(ct_slice)
    rows, columns = view.values.shape[0] // side, view.values.shape[1] // side
    if plane is None:
        return np.full((rows, columns), np.nan, np.float32)
    inside = cv2.erode(plane.body.view(np.uint8), np.ones((3, 3), np.uint8)) > 0  # without the skin
    blocks = plane.image[: rows * side, : columns * side].reshape(rows, side, columns, side)
    whole = inside[: rows * side, : columns * side].reshape(rows, side, columns, side).all(axis=(1, 3))
    mean = blocks.mean(axis=(1, 3))
    soft = whole & (mean > SOFT_TISSUE_HU[0]) & (mean < SOFT_TISSUE_HU[1])
    return np.where(soft, blocks.std(axis=(1, 3), ddof=1), np.float32(np.nan)).astype(np.float32)
