"""Positioning: the image is turned or mirrored."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np

from miqa_training.degrade.physics import DonorMaterial, Image, Simulator, at_severity, clip

TURN_DEGREES = (2.0, 5.0, 10.0, 20.0)
FLIP_FROM = 0.5
QUARTER_TURN_FROM = 0.75


def rotation_orientation(image: Image, severity: float, rng: np.random.Generator, _: float, __: DonorMaterial) -> Image:
    """Turned by 2, 5, 10, 20° in the plane; marked cases may also be mirrored or turned by 90 or 180°.

    Every fifth draw is a mirror image from severity 0.5 on, every tenth a quarter or half turn from 0.75 on (a mirror
    image cannot be slight). The empty corners are black, as with collimation, or outside the picture, as if the whole
    field turned with the tube. Source: SCIENCE.md §1.
    """
    kind = rng.uniform()
    sign = 1.0 if rng.uniform() < 0.5 else -1.0
    turns = int(rng.choice((1, 2, 3)))
    fill = rng.uniform() < 0.5
    if kind < 0.1 and severity >= QUARTER_TURN_FROM:
        return _turn(image, turns)
    if 0.1 <= kind < 0.3 and severity >= FLIP_FROM:
        return np.ascontiguousarray(image[:, ::-1])
    return turn(image, sign * at_severity(severity, TURN_DEGREES), fill=fill)


def turn(image: Image, degrees: float, *, fill: bool = False) -> Image:
    """Rotate about the centre, same shape; black outside, or enlarged (to 115 %) until hardly a corner is empty."""
    rows, columns = image.shape
    angle = math.radians(abs(degrees))
    scale = min(math.cos(angle) + math.sin(angle), 1.15) if fill else 1.0
    matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, scale)
    turned = cv2.warpAffine(image, matrix, (columns, rows), flags=cv2.INTER_CUBIC, borderValue=0.0)
    return clip(cast("Image", turned))


def _turn(image: Image, turns: int) -> Image:
    """Quarter turns; a non-square image is fitted into its old shape, as a viewer would show it."""
    turned = np.ascontiguousarray(np.rot90(image, turns))
    if turned.shape == image.shape:
        return turned
    scale = min(image.shape[0] / turned.shape[0], image.shape[1] / turned.shape[1])
    small = cv2.resize(turned, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    out = np.zeros_like(image)
    top, left = (image.shape[0] - small.shape[0]) // 2, (image.shape[1] - small.shape[1]) // 2
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out


ROTATION_ORIENTATION = Simulator(rotation_orientation, order=20)
