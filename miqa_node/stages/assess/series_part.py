"""The body part that a stack of MR shows where neither elements nor descriptions of its header name one: a head."""

from __future__ import annotations

import cv2
import numpy as np

from miqa_node.stages.measure.outlines import CUT_SIDES, find_patient, find_threshold, reached_sides
from miqa_node.stages.measure.series_view import SeriesView, Values

HEAD = "HEAD"
OF_MR = ("MR",)
"""Of kinds that are looked at: an outline of CT is that of the table, too."""
SLICES = 9
AREA_MM2 = (16_000.0, 45_000.0)
"""Of the largest outline: knees are smaller, trunks larger."""
SIDES_MM = (110.0, 300.0)
"""Of the narrowest rectangle around it."""
LEAST_SOLID = 0.8
"""Share of its convex hull that it fills."""
LEAST_ALONE = 0.85
"""Share of everything bright that belongs to it: two legs are two."""
LARGE, LEAST_SHARE = 0.6, 0.5
"""Slices with so much of the largest outline are looked at, others may show a vertex or an ear; so many must agree."""
CLOSED = 0.03
"""Of the side: gaps between scalp and brain."""


def part_shown(series: SeriesView) -> str:
    """``HEAD`` if the outline of the slices is that of a head beyond doubt, else empty; only MR is looked at."""
    spacing = series.slices[0].spacing_mm if series.slices else None
    if series.kind.modalities != OF_MR or spacing is None:
        return ""
    images = [np.maximum(one, 0.0) for one in series.sample(SLICES)]
    level = find_threshold(images) if images else 0.0
    outlines = [_outline(one, level) for one in images]
    areas = [cv2.contourArea(one) * spacing[0] * spacing[1] if one is not None else 0.0 for one, _ in outlines]
    if not areas or not AREA_MM2[0] <= max(areas) <= AREA_MM2[1]:
        return ""
    agreeing = [
        share >= LEAST_ALONE and _is_of_a_head(outline, spacing) and reached_sides(image > level) < CUT_SIDES
        for image, (outline, share), area in zip(images, outlines, areas, strict=True)
        if outline is not None and area >= LARGE * max(areas)
    ]
    return HEAD if sum(agreeing) >= LEAST_SHARE * len(agreeing) else ""


def _outline(image: Values, level: float) -> tuple[np.ndarray | None, float]:
    """The largest outline of what is bright, and its share of all of that."""
    size = 2 * round(CLOSED * max(image.shape)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = cv2.morphologyEx(find_patient(image, level).astype(np.uint8), cv2.MORPH_CLOSE, disc)
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [float(cv2.contourArea(one)) for one in outlines]
    largest = int(np.argmax(areas)) if areas else -1
    return (outlines[largest], areas[largest] / max(sum(areas), 1.0)) if areas else (None, 0.0)


def _is_of_a_head(outline: np.ndarray, spacing: tuple[float, float]) -> bool:
    in_mm = outline.astype(np.float32) * np.array([spacing[1], spacing[0]], np.float32)
    solid = cv2.contourArea(in_mm) / max(cv2.contourArea(cv2.convexHull(in_mm)), 1.0)
    sides = cv2.minAreaRect(in_mm)[1]
    is_sized = SIDES_MM[0] <= min(sides) and max(sides) <= SIDES_MM[1]
    return solid >= LEAST_SOLID and is_sized
