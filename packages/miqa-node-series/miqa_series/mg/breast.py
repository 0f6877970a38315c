"""The breast on a mammogram: what is brighter than air, and connected with one side of the picture."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.stages.measure.series_view import SliceView

SIDE_PX = 512
"""Longer side of the small picture."""
ABOVE_AIR = 0.12
"""Of the way from air to the bright tissue."""
MARGIN = 0.015
"""Of the longer side: borders of films, and collimator."""
LEAST_SHARE = 0.03


class Breast(NamedTuple):
    """A small picture without its margin, the chest wall at the left, and the mask of the breast.

    ``scale`` is how many pixels one of it is a side; ``wall_left``, whether the wall is at the left of the picture.
    """

    levels: NDArray[np.float32]
    mask: NDArray[np.bool_]
    scale: float
    wall_left: bool


def frame_breast(view: SliceView) -> Breast | None:
    """Of one frame; None if there is no breast."""
    return find_breast(view.radiograph)


def find_breast(radiograph: Radiograph) -> Breast | None:
    """None if nothing large is bright and connected with a side.

    >>> picture = np.full((300, 200), 1000, np.uint16)
    >>> picture[100:200, 120:] = 40000
    >>> breast = find_breast(Radiograph(picture, picture, (0, 65535), None))
    >>> breast.wall_left, breast.mask.shape, int(breast.mask.sum())
    (False, (292, 192), 7600)
    """
    shown = radiograph.display
    scale = max(1.0, max(shown.shape) / SIDE_PX)
    size = round(shown.shape[1] / scale), round(shown.shape[0] / scale)
    small = cv2.resize(shown.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    margin = max(1, round(MARGIN * max(small.shape)))
    small = np.asarray(small[margin:-margin, margin:-margin], np.float32)
    if min(small.shape) < SIDE_PX // 16:
        return None
    counts, edges = np.histogram(small, bins=64)
    dark = edges[:-1] < (small.min() + small.max()) / 2
    air = float(edges[:-1][dark][counts[dark].argmax()] + (edges[1] - edges[0]) / 2)
    limit = air + ABOVE_AIR * (float(np.quantile(small, 0.99)) - air)
    tissue = cv2.morphologyEx((small > limit).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(tissue)
    mask = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else np.zeros(labels.shape, bool)
    if mask.mean() < LEAST_SHARE or not (mask[:, 0].any() or mask[:, -1].any()):
        return None
    wall_left = bool(mask[:, 0].sum() >= mask[:, -1].sum())
    turned = slice(None) if wall_left else slice(None, None, -1)
    return Breast(np.ascontiguousarray(small[:, turned]), np.ascontiguousarray(mask[:, turned]), scale, wall_left)
