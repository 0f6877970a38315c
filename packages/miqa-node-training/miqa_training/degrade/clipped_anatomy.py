"""Positioning: anatomy is cut off."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from miqa_training.degrade.lungs import lung_field
from miqa_training.degrade.physics import DonorMaterial, Image, Simulator, at_severity, clip

BEYOND_EDGE_MM = (5.0, 10.0, 20.0, 30.0)
SHUTTER_EDGE_MM = 0.6


def clipped_anatomy(
    image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial
) -> Image:
    """One side ends 5, 10, 20, 30 mm inside the lung field: by a black shutter, a patient off the detector, or a crop.

    "Off the detector" shifts the image until the lung crosses the border, with black on the other side; "crop" cuts and
    stretches back to the old shape (the pixel pitch then shrinks by a few per cent in one direction). Source:
    SCIENCE.md §1; the lung's edge comes from ``lungs.lung_field``.
    """
    side = int(rng.choice(4, p=(0.3, 0.3, 0.15, 0.25)))
    kind = rng.uniform()
    rows, columns = image.shape
    field = lung_field(image)
    inside_px = at_severity(severity, BEYOND_EDGE_MM) / pitch_mm
    share = min(severity / 0.25, 1.0)
    margin = (field.left * columns, (1 - field.right) * columns, field.top * rows, (1 - field.bottom) * rows)[side]
    # Near severity zero the border starts at the image's own edge, so the effect is continuous.
    cut = round(float(np.clip(share * margin + inside_px, 0, 0.4 * (columns if side < 2 else rows))))
    if cut < 1:
        return image.copy()
    turns = (0, 2, 1, 3)[side]
    upright = np.ascontiguousarray(np.rot90(image, turns))
    cut_off = _cut_left(upright, cut, kind, SHUTTER_EDGE_MM / pitch_mm)
    return clip(np.rot90(cut_off, -turns))


def _cut_left(image: Image, cut: int, kind: float, edge_px: float) -> Image:
    """Remove ``cut`` columns at the left: by a shutter (kind below 0.45), a shift (below 0.75) or a crop."""
    columns = image.shape[1]
    if kind < 0.45:
        open_ = np.clip((np.arange(columns, dtype=np.float32) - cut) / np.float32(max(edge_px, 0.5)) + 0.5, 0.0, 1.0)
        return clip(image * open_[None, :])
    rest = image[:, cut:]
    if kind < 0.75:
        return np.concatenate([rest, np.zeros((image.shape[0], cut), np.float32)], axis=1)
    return cast("Image", cv2.resize(np.ascontiguousarray(rest), image.shape[::-1], interpolation=cv2.INTER_LINEAR))


CLIPPED_ANATOMY = Simulator(clipped_anatomy, order=30)
