"""Positioning: anatomy cut off, the image turned or mirrored."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np

from miqa_node.training.degrade.lungs import lung_field
from miqa_node.training.degrade.physics import Image, Material, at_severity, clip

BEYOND_EDGE_MM = (5.0, 10.0, 20.0, 30.0)
TURN_DEGREES = (2.0, 5.0, 10.0, 20.0)
FLIP_FROM = 0.5
QUARTER_TURN_FROM = 0.75
SHUTTER_EDGE_MM = 0.6


def clipped_anatomy(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: Material) -> Image:
    """One side ends 5, 10, 20, 30 mm inside the lung field: black shutter, patient off the detector, or cropped.

    "Off the detector" moves the image until the lung passes the border and leaves black on the other side;
    "cropped" cuts and stretches back to the old shape (the pixel pitch then grows by a few per cent in one
    direction). Source: SCIENCE.md §1; the lung's edge comes from ``lungs.lung_field``.
    """
    side = int(rng.choice(4, p=(0.3, 0.3, 0.15, 0.25)))
    kind = rng.uniform()
    rows, columns = image.shape
    field = lung_field(image)
    inside_px = at_severity(severity, BEYOND_EDGE_MM) / pitch_mm
    share = min(severity / 0.25, 1.0)
    margin = (field.left * columns, (1 - field.right) * columns, field.top * rows, (1 - field.bottom) * rows)[side]
    # Towards zero severity the border comes in from the image's own edge, so nothing jumps.
    cut = round(float(np.clip(share * margin + inside_px, 0, 0.4 * (columns if side < 2 else rows))))
    if cut < 1:
        return image.copy()
    turns = (0, 2, 1, 3)[side]
    upright = np.ascontiguousarray(np.rot90(image, turns))
    cut_off = _cut_left(upright, cut, kind, SHUTTER_EDGE_MM / pitch_mm)
    return clip(np.rot90(cut_off, -turns))


def _cut_left(image: Image, cut: int, kind: float, edge_px: float) -> Image:
    """Lose ``cut`` columns at the left: by a shutter (kind below 0.45), a shift (below 0.75) or a crop."""
    columns = image.shape[1]
    if kind < 0.45:
        open_ = np.clip((np.arange(columns, dtype=np.float32) - cut) / np.float32(max(edge_px, 0.5)) + 0.5, 0.0, 1.0)
        return clip(image * open_[None, :])
    rest = image[:, cut:]
    if kind < 0.75:
        return np.concatenate([rest, np.zeros((image.shape[0], cut), np.float32)], axis=1)
    return cast("Image", cv2.resize(np.ascontiguousarray(rest), image.shape[::-1], interpolation=cv2.INTER_LINEAR))


def rotation_orientation(image: Image, severity: float, rng: np.random.Generator, _: float, __: Material) -> Image:
    """Turned by 2, 5, 10, 20° in the plane; marked cases may also be mirrored or turned by 90 or 180°.

    Every fifth draw is a mirror image from severity 0.5 on, every tenth a quarter or half turn from 0.75 on (there
    is no slight mirror image). The corners left free are black, as collimated, or outside the picture, as when the
    whole field turned with the tube. Source: SCIENCE.md §1.
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
    """Turn about the centre, the same shape; black outside, or enlarged (to 115 %) until hardly a corner is free."""
    rows, columns = image.shape
    angle = math.radians(abs(degrees))
    scale = min(math.cos(angle) + math.sin(angle), 1.15) if fill else 1.0
    matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, scale)
    turned = cv2.warpAffine(image, matrix, (columns, rows), flags=cv2.INTER_CUBIC, borderValue=0.0)
    return clip(cast("Image", turned))


def _turn(image: Image, turns: int) -> Image:
    """Quarter turns; an image that is not square is fitted into its old shape, as a viewer would show it."""
    turned = np.ascontiguousarray(np.rot90(image, turns))
    if turned.shape == image.shape:
        return turned
    scale = min(image.shape[0] / turned.shape[0], image.shape[1] / turned.shape[1])
    small = cv2.resize(turned, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    out = np.zeros_like(image)
    top, left = (image.shape[0] - small.shape[0]) // 2, (image.shape[1] - small.shape[1]) // 2
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out
