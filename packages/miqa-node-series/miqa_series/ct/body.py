"""The patient on a CT slice, which several measurements need: body, soft tissue, and the air around."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.measure.base import STACKS, SeriesMeasure
from miqa_node.stages.measure.series_view import Mask, SliceView, Values

ct_measure = partial(SeriesMeasure, section=STACKS, modalities=("CT",))
SOFT_TISSUE_HU = (0.0, 100.0)
BODY_HU = -300.0
AIR_HU = -1000.0
NOISE_WINDOW_MM = 6.0
FAR_AIR_MM = (10.0, 80.0)
"""Distances from the skin, in mm, of the air that is measured: nearer lie clothes and the halo of scattered rays."""
SOLID_HU = -800.0
"""What is denser than this in the mean, a blanket or the table, is not air, and neither is what lies beside it."""
EDGE_PX = 3
MIN_AIR_PX = 500


class CtSlice(NamedTuple):
    """Hounsfield units with padding as air, the body, and the pixel pitch in mm."""

    image: Values
    body: Mask
    spacing_mm: float

    @property
    def window_px(self) -> int:
        """Side of the window in which noise is measured; odd."""
        return max(3, round(NOISE_WINDOW_MM / self.spacing_mm) | 1)


class SoftTissue(NamedTuple):
    """Pixels on which a window of soft tissue is centred, and the standard deviation in the window of each."""

    mask: Mask
    deviations: Values


def ct_slice(view: SliceView) -> CtSlice | None:
    """None without pixel spacing or without a body."""
    if view.header.spacing_mm is None:
        return None
    image = view.values if view.valid is None else np.where(view.valid, view.values, np.float32(AIR_HU))
    body = find_body(image)
    return CtSlice(image, body, float(np.mean(view.header.spacing_mm))) if body.any() else None


def find_body(image: Values) -> Mask:
    """The largest connected part denser than fat; holes such as lungs are not filled."""
    dense = cv2.morphologyEx((image > BODY_HU).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(dense, connectivity=4)
    # OpenCV's own statistics of the parts take four times as long as finding them.
    largest = 1 if count < 3 else 1 + int(np.bincount(labels.ravel())[1:].argmax())
    body: Mask = labels == largest
    return body if np.count_nonzero(body) > 0.01 * body.size else np.zeros(image.shape, bool)


def soft_tissue(view: SliceView) -> SoftTissue | None:
    """Windows inside the body with the mean of soft tissue; None without a body."""
    plane = view.once(ct_slice)
    if plane is None:
        return None
    side, mean = plane.window_px, view.once(window_mean)
    square = cv2.blur(plane.image * plane.image, (side, side))
    inner = cv2.erode(plane.body.view(np.uint8), np.ones((side, side), np.uint8)) > 0
    mask = inner & (mean > SOFT_TISSUE_HU[0]) & (mean < SOFT_TISSUE_HU[1])
    count, means = side * side, mean[mask]
    # The most frequent SD of n pixels lies below that of their population by √((n − 2) / n).
    return SoftTissue(mask, np.sqrt(np.maximum(square[mask] - means * means, 0.0) * (count / (count - 2))))


def window_mean(view: SliceView) -> Values:
    """Mean of the window around each pixel; zeros without a body."""
    plane = view.once(ct_slice)
    if plane is None:
        return np.zeros_like(view.values)
    return np.asarray(cv2.blur(plane.image, (plane.window_px, plane.window_px)), np.float32)


def far_air(view: SliceView) -> Mask | None:
    """Air around the patient without pixels of the image's smallest value, at which scanners cut values off.

    None if its area is too small.
    """
    plane, every = view.once(ct_slice), view.once(all_far_air)
    if plane is None or every is None:
        return None
    far: Mask = every & (plane.image > plane.image.min())
    return None if np.count_nonzero(far) < MIN_AIR_PX else far


def all_far_air(view: SliceView) -> Mask | None:
    """Air around the patient, inside the field of view, without clothes and table; None without a body."""
    plane = view.once(ct_slice)
    if plane is None:
        return None
    side = plane.window_px
    solid = cv2.dilate((view.once(window_mean) > SOLID_HU).view(np.uint8), np.ones((side, side), np.uint8))
    away = cv2.distanceTransform(1 - view.once(outline), cv2.DIST_L2, 3) * np.float32(plane.spacing_mm)
    far: Mask = (away > FAR_AIR_MM[0]) & (away < FAR_AIR_MM[1]) & (solid == 0)
    far &= field_of_view(*plane.body.shape).inside
    return far


def outline(view: SliceView) -> NDArray[np.uint8]:
    """1 inside the skin, lungs and bowels included; zeros without a body."""
    plane = view.once(ct_slice)
    filled = np.zeros(view.values.shape, np.uint8)
    if plane is None:
        return filled
    contours, _ = cv2.findContours(plane.body.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(filled, contours, -1, 1, -1)
    return filled


class FieldOfView(NamedTuple):
    """The inside of the circle that a scanner reconstructs, without its edge; and the edge."""

    inside: Mask
    edge: Mask


@lru_cache(maxsize=4)
def field_of_view(rows: int, columns: int) -> FieldOfView:
    """The largest circle around the centre of the slice; read-only."""
    y, x = np.ogrid[:rows, :columns]
    distance, radius = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2), min(rows, columns) / 2
    inside = distance < radius - EDGE_PX
    edge = ~inside & (distance < radius)
    inside.flags.writeable = edge.flags.writeable = False
    return FieldOfView(inside, edge)
