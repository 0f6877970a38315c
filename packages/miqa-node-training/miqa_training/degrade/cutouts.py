"""Foreign objects of the family "cutouts": real objects, cut from annotated training images at run time.

The repository contains none of them. The family tests on objects that no generator of ``shapes`` has drawn.
"""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np

from miqa_training.degrade.lungs import lung_field
from miqa_training.degrade.physics import DonorMaterial, Image, at_severity, clip

CONTRAST = (0.5, 0.75, 1.0, 1.3)
SHARE_OF_OBJECTS = (0.2, 0.45, 0.7, 1.0)
MOST_OBJECTS = 4
LEAST_CONTRAST = 0.06
"""Minimum median display contrast of the cut pixels for a clean cut-out."""


def cut_out(image: Image, box: tuple[float, float, float, float]) -> Image | None:
    """The difference between the object in ``box`` (x0, y0, x1, y1 as fractions of the image) and its background.

    The background is a quadratic surface through the ring around the box; the object consists of pixels more than three
    robust standard deviations of the ring above it. None if this is not a compact, clear object.
    """
    rows, columns = image.shape
    left, top, right, bottom = box
    margin_x, margin_y = max(0.35 * (right - left), 4 / columns), max(0.35 * (bottom - top), 4 / rows)
    x0, x1 = (round(np.clip(v, 0, 1) * columns) for v in (left - margin_x, right + margin_x))
    y0, y1 = (round(np.clip(v, 0, 1) * rows) for v in (top - margin_y, bottom + margin_y))
    patch = image[y0:y1, x0:x1]
    if min(patch.shape) < 8:
        return None
    y, x = np.mgrid[-1 : 1 : patch.shape[0] * 1j, -1 : 1 : patch.shape[1] * 1j]
    ring = np.maximum(np.abs(x), np.abs(y)) > 0.78
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1)
    coefficients, *_ = np.linalg.lstsq(terms[ring], patch[ring], rcond=None)
    rise = patch - (terms @ coefficients).astype(np.float32)
    spread = 1.4826 * float(np.median(np.abs(rise[ring])))
    solid = (rise > max(3.0 * spread, 0.5 * LEAST_CONTRAST)).astype(np.uint8)
    solid[ring] = 0
    solid = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    area = int(solid.sum())
    if area < 12 or area > 0.5 * solid.size or float(np.median(rise[solid > 0])) < LEAST_CONTRAST:
        return None
    soft = cv2.GaussianBlur(cv2.dilate(solid, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), 0.8)
    return np.ascontiguousarray(np.maximum(rise, 0.0) * soft, dtype=np.float32)


def cutouts(image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, more: DonorMaterial) -> Image:
    """One to four real objects over the lungs, rotated, at their real size; contrast and number grow with severity.

    Contrast 0.5, 0.75, 1, 1.3 times the object's own. Needs ``more.cutouts``; ValueError if there are none.
    """
    if not more.cutouts:
        msg = "the family of cut-outs needs objects cut from annotated images (Material.cutouts)"
        raise ValueError(msg)
    total = int(rng.integers(1, MOST_OBJECTS + 1))
    shown = max(1, math.ceil(at_severity(severity, SHARE_OF_OBJECTS) * total))
    contrast = np.float32(at_severity(severity, CONTRAST))
    lungs, out = lung_field(image), image.copy()
    rows, columns = image.shape
    for stream in rng.spawn(total)[:shown]:
        piece, piece_pitch_mm = more.cutouts[int(stream.integers(len(more.cutouts)))]
        piece = _turned(piece, stream.uniform(0, 360), piece_pitch_mm / pitch_mm)
        height, width = piece.shape
        left = int(stream.uniform(lungs.left, lungs.right) * columns - width / 2)
        top = int(stream.uniform(lungs.top, lungs.bottom) * rows - height / 2)
        y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + height, rows), min(left + width, columns)
        if y0 < y1 and x0 < x1:
            out[y0:y1, x0:x1] += contrast * piece[y0 - top : y1 - top, x0 - left : x1 - left]
    return clip(out)


def _turned(piece: Image, degrees: float, scale: float) -> Image:
    rows, columns = piece.shape
    side = math.ceil(math.hypot(rows, columns) * scale) + 2
    move = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, scale).astype(np.float64, copy=False)
    move[:, 2] += (side - 1) / 2 - np.array([(columns - 1) / 2, (rows - 1) / 2])
    return cast("Image", cv2.warpAffine(piece, move, (side, side), flags=cv2.INTER_LINEAR))
