"""Length of the ACR MR phantoms along their axis, on the sagittal localizer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import ACR_MR, PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region, polyline
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.localizer import Localizer, find_localizer
from miqa_node.libraries.phantom_shapes.sampling import between_pixels
from miqa_node.stages.measure.series_view import Values

MOST_SLICES = 3
"""A stack of more slices is no localizer of the phantom."""
ACROSS = np.linspace(-0.35, 0.35, 29)
"""Where lines along the axis are read, as shares of the width: bars and wedges take some of their ends."""
OUTSIDE_MM, INSIDE_MM, STEP_MM = 10.0, 12.0, 0.25
LEAST_RUN_MM = 4.0
BEST_SHARE = 0.25
"""Of the lines, the longest, whose median is the length: the others end in plastic."""
NOT_SAGITTAL = Phrase("No slice shows the phantom from the side.")
NO_ENDS = Phrase("The ends of the phantom were not found on the localizer.")


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    if len(stack.images) > MOST_SLICES:
        return ()
    for place, image in enumerate(stack.images):
        localizer = find_localizer(image, stack.spacing_mm)
        if localizer is None:
            continue
        read_on = stack.read_on(place, "localizer")
        lines = length_mm(image, localizer, stack.spacing_mm)
        if lines is None:
            return (measure.values[0].missing(measure.source, NO_ENDS, read_on),)
        length, line = lines
        return (measure.values[0].read(length, measure.source, read_on, [line]),)
    return measure.none(NOT_SAGITTAL)


def length_mm(image: Values, localizer: Localizer, spacing: tuple[float, float]) -> tuple[float, Region] | None:
    """Between the edges at half of the signal inside, along the shorter sides of the rectangle."""
    scale = np.array([spacing[1], spacing[0]])
    corners = localizer.corners * scale
    sides = np.roll(corners, -1, axis=0) - corners
    axis = min(sides[:2], key=lambda side: float(np.hypot(*side)))
    axis = axis / np.hypot(*axis)
    across = np.array([-axis[1], axis[0]])
    middle = corners.mean(axis=0)
    half_length, width = localizer.length_mm / 2.0, localizer.width_mm
    lines = []
    for share in ACROSS:
        start = middle + share * width * across
        ends = [_reach(image, start, side * axis, half_length, scale) for side in (-1.0, 1.0)]
        if ends[0] is not None and ends[1] is not None:
            points = [start - ends[0] * axis, start + ends[1] * axis]
            lines.append((ends[0] + ends[1], points))
    if len(lines) < len(ACROSS) // 3:
        return None
    lines.sort(key=lambda one: -one[0])
    best = lines[: max(3, round(BEST_SHARE * len(lines)))]
    length, points = best[len(best) // 2]
    return float(length), polyline(np.array(points) / scale)


def _reach(image: Values, start: Array, direction: Array, expected: float, scale: Array) -> float | None:
    """Distance of the outermost edge."""
    radii = np.arange(expected - INSIDE_MM, expected + OUTSIDE_MM, STEP_MM)
    points = (start[None, :] + radii[:, None] * direction[None, :]) / scale
    ray = between_pixels(image, points[:, 1], points[:, 0])
    plateau = float(np.percentile(ray[radii < expected - 2.0], 75))
    outside = float(np.median(ray[radii > expected + 5.0]))
    half = (plateau + outside) / 2.0
    if plateau <= 2.0 * outside:
        return None
    runs = np.lib.stride_tricks.sliding_window_view(ray > half, round(LEAST_RUN_MM / STEP_MM)).all(axis=-1)
    places = np.flatnonzero(runs)
    if not len(places) or places[-1] + round(LEAST_RUN_MM / STEP_MM) >= len(ray):
        return None
    last = int(places[-1]) + round(LEAST_RUN_MM / STEP_MM) - 1
    part = (ray[last] - half) / max(float(ray[last] - ray[last + 1]), 1e-9)
    return float(radii[last] + part * STEP_MM)


MEASURE = PhantomMeasure(
    name="sagittal_length",
    order=9,
    kinds=ACR_MR,
    values=(
        PhantomQuantity(
            "sagittal_length_mm", "mm", Phrase("Length of the phantom from end to end on the sagittal localizer.")
        ),
    ),
    formula="distance of the edges at half of the signal inside along the axis; median of the longest quarter of lines",
    source="ACR Large and Medium Phantom Test Guidance for the ACR MRI Accreditation Program, test 1",
    tolerance="1.5 mm",
    run=run,
)
