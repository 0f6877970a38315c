"""The sagittal localizer of an ACR MR phantom: one slice through its axis, a rectangle of known sides."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .acr import LARGE_MM, MEDIUM_MM
from .arrays import Array, Mask, Values

LENGTHS_MM = {LARGE_MM: 148.0, MEDIUM_MM: 134.0}
"""Inner length of the phantom by its inner diameter."""
MOST_OFF_MM = 7.0
LEVELS = (0.1, 0.15, 0.25, 0.4)
"""Of the usual signal, where the outline is tried: far from a coil the phantom is dark, and ghosts are darker."""
LEAST_FILLED = 0.55
"""Share of the rectangle that is bright: plastic and bars are dark."""
MOST_FILLED = 0.985
"""A plain bottle is bright everywhere."""


@dataclass(frozen=True, slots=True)
class Localizer:
    """``corners`` are columns and rows of the rectangle; ``diameter_mm`` is that of the phantom as it is made."""

    corners: Array
    length_mm: float
    width_mm: float
    diameter_mm: float
    filled: float


def find_localizer(image: Values, spacing: tuple[float, float]) -> Localizer | None:
    """None if the largest object is no rectangle of the sides of an ACR MR phantom, or has nothing inside."""
    candidates = (_rectangle(image, spacing, level) for level in LEVELS)
    return next((one for one in candidates if one is not None), None)


def _rectangle(image: Values, spacing: tuple[float, float], level: float) -> Localizer | None:
    mask = bright_hull(image, level)
    if mask is None:
        return None
    inside, hull = mask
    scale = np.array([spacing[1], spacing[0]])
    rectangle = cv2.minAreaRect((hull * scale).astype(np.float32))
    sides = sorted(rectangle[1])
    area = cv2.contourArea((hull * scale).astype(np.float32))
    if sides[0] <= 0.0 or area < 0.9 * sides[0] * sides[1]:
        return None
    for diameter, length in LENGTHS_MM.items():
        if abs(sides[1] - diameter) <= MOST_OFF_MM and abs(sides[0] - length) <= MOST_OFF_MM:
            filled = float(inside.sum()) * spacing[0] * spacing[1] / max(area, 1.0)
            if LEAST_FILLED <= filled <= MOST_FILLED:
                corners = cv2.boxPoints(rectangle).astype(np.float64) / scale
                return Localizer(corners, float(sides[0]), float(sides[1]), diameter, filled)
    return None


def bright_hull(image: Values, share: float) -> tuple[Mask, Array] | None:
    """Pixels of the largest parts above a share of the usual signal, and their convex hull as columns and rows."""
    top = float(np.percentile(image, 99.0))
    if top <= 0.0:
        return None
    shown = cv2.medianBlur(np.clip(image / top * 255.0, 0, 255).astype(np.uint8), 3)
    level, _ = cv2.threshold(shown.reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    bright = shown[shown > level]
    if bright.size < 100:
        return None
    mask = (shown > share * float(np.median(bright))).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if count < 2:
        return None
    areas = statistics[1:, cv2.CC_STAT_AREA]
    parts = np.isin(labels, 1 + np.flatnonzero(areas >= 0.1 * areas.max()))
    contours, _ = cv2.findContours(parts.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.concatenate(contours))[:, 0, :].astype(np.float64)
    return np.asarray(parts), hull
