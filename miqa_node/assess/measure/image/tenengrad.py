"""Strength of edges: the mean squared gradient."""

from __future__ import annotations

import cv2

from miqa_node.assess.measure.base import ImageMeasure
from miqa_node.assess.measure.view import ImageView


def _energy(view: ImageView) -> float:
    """Mean of Gx² + Gy² of levels in [0, 255]; a ramp of one level a pixel has 8² but at its edges.

    >>> import numpy as np
    >>> 60.0 < TENENGRAD.of(np.indices((40, 40))[1] * 257) < 64.0
    True
    """
    across = cv2.Sobel(view.levels, cv2.CV_32F, 1, 0, ksize=3)
    along = cv2.Sobel(view.levels, cv2.CV_32F, 0, 1, ksize=3)
    energy = sum(float(cv2.norm(gradient, cv2.NORM_L2SQR, view.inner_mask)) for gradient in (across, along))
    pixels = view.display.size if view.inner_mask is None else int(cv2.countNonZero(view.inner_mask))
    return energy / max(1, pixels)


TENENGRAD = ImageMeasure(
    name="tenengrad",
    unit="1",
    label="Tenengrad",
    code="TENENGRAD",
    summary="Mean squared Sobel gradient of the image: strength of edges.",
    definition="Mean of Gx² + Gy² with 3 × 3 Sobel kernels, same scale (Krotkov, IJCV 1, 1988).",
    section="Sharpness",
    rank=120,
    least_side_px=32,
    take=_energy,
)
