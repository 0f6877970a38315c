"""Slice thickness of the ACR MR phantoms: the two ramps in the bar of slice 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import ACR_MR, PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.sampling import between_pixels, smooth
from miqa_phantoms.acr import AcrSlice, slice_of

SLOPE = 0.2
"""Two ramps of 1:10 in opposite directions: thickness = 0.2 · a · b / (a + b), which cancels a tilt of the phantom."""
STEP_MM = 0.25
BAR_SEARCH_MM = 15.0
BAR_AT_MM = (45.0, 72.0)
"""Beside the ramps' signal the bar is dark; there its edges and its tilt are read."""
BAR_HEIGHT_MM = (5.0, 20.0)
LINES = (0.06, 0.36)
"""Where each ramp is read: from the middle of the bar, as shares of its height."""
HALF_LENGTH_MM = 68.0
LEAST_MM, MOST_MM = 8.0, 125.0
"""Lengths of a ramp's signal that can be read: slices of 0.8 to 12.5 mm."""
SMOOTH_MM = 1.0
TOP_PERCENTILE = 95
PLATEAU_SHARE = 0.8
"""What reaches so much of the highest signal is the plateau."""
MOST_GROUND = 0.4
"""Signal of the bar beside the ramp, as a share of the plateau."""
NO_BAR = Phrase("The bar with the ramps was not found on slice 1.")
NO_RAMP = Phrase("The signal of a ramp on slice 1 does not stand out from that of the bar.")


class RampBar(NamedTuple):
    """Its middle below the centre, its height and its tilt, as the phantom lies."""

    down_mm: float
    height_mm: float
    slope: float
    """Millimetres down for each millimetre to the right."""


class Ramp(NamedTuple):
    """Ends of its signal at half height, from the centre, and the line on which they were read."""

    left_mm: float
    right_mm: float
    off_mm: float

    @property
    def length_mm(self) -> float:
        """Full width at half maximum."""
        return self.right_mm - self.left_mm


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    answer = slice_of(stack, 1)
    if isinstance(answer, Phrase):
        return measure.none(answer)
    _, first = answer
    bar = find_bar(first)
    if bar is None:
        return measure.none(NO_BAR)
    ramps = [find_ramp(first, bar, side) for side in (-1, 1)]
    top, bottom = ramps
    if top is None or bottom is None:
        return measure.none(NO_RAMP)
    thickness = SLOPE * top.length_mm * bottom.length_mm / (top.length_mm + bottom.length_mm)
    regions = [
        first.line(*(first.point(x, bar.down_mm + bar.slope * x + ramp.off_mm) for x in ramp[:2]), label=name)
        for ramp, name in ((top, "top"), (bottom, "bottom"))
    ]
    figures = (thickness, top.length_mm, bottom.length_mm)
    return tuple(
        one.read(figure, measure.source, first.read_on, regions)
        for one, figure in zip(measure.values, figures, strict=True)
    )


def sample(one: AcrSlice, right_mm: Array, down_mm: Array, image: Array | None = None) -> Array:
    """The image, or one made of it, at points of the phantom, from its centre."""
    cos, sin = np.cos(one.tilt), np.sin(one.tilt)
    columns = one.disc.column + (right_mm * cos - down_mm * sin) / one.disc.spacing.columns
    rows = one.disc.row + (right_mm * sin + down_mm * cos) / one.disc.spacing.rows
    return between_pixels(one.image if image is None else image, rows, columns)


def find_bar(one: AcrSlice) -> RampBar | None:
    """The dark bar across the middle of the slice."""
    scale = one.disc.radius_mm / 95.0
    down = np.arange(-BAR_SEARCH_MM, BAR_SEARCH_MM + STEP_MM, STEP_MM)
    middles, heights = [], []
    for side in (-1.0, 1.0):
        right = side * scale * np.arange(BAR_AT_MM[0], BAR_AT_MM[1], 1.0)
        profile = np.median(sample(one, right[None, :] + 0.0 * down[:, None], down[:, None] + 0.0 * right), axis=1)
        half = (np.percentile(profile, 90) + profile.min()) / 2.0
        dark = np.flatnonzero(profile < half)
        runs = np.split(dark, np.flatnonzero(np.diff(dark) > 1) + 1)
        longest = max(runs, key=len)
        height = len(longest) * STEP_MM
        if not BAR_HEIGHT_MM[0] <= height <= BAR_HEIGHT_MM[1]:
            return None
        middles.append(float(down[longest].mean()))
        heights.append(height)
    distance = 2.0 * scale * float(np.mean(BAR_AT_MM))
    return RampBar(float(np.mean(middles)), float(np.mean(heights)), (middles[1] - middles[0]) / distance)


def find_ramp(one: AcrSlice, bar: RampBar, side: int) -> Ramp | None:
    """The signal of the upper (-1) or lower (1) ramp: its ends at half of its plateau."""
    lines = side * bar.height_mm * np.linspace(*LINES, 5)
    reach = HALF_LENGTH_MM * one.disc.radius_mm / 95.0
    right = np.arange(-reach, reach + STEP_MM, STEP_MM)
    down = bar.down_mm + bar.slope * right[None, :] + lines[:, None]
    profile = sample(one, right[None, :] + 0.0 * down, down).mean(axis=0)
    ends = width_at_half(right, profile)
    return None if ends is None else Ramp(*ends, float(lines.mean()))


def width_at_half(x: Array, profile: Array) -> tuple[float, float] | None:
    """Where the profile falls to half of its plateau, outwards from its middle; None if it does not stand out.

    Half of the plateau itself, not of its height over what is beside it, as a reader sets the window's level (ACR).
    """
    level = smooth(profile, SMOOTH_MM / STEP_MM)
    top = float(np.percentile(level, TOP_PERCENTILE))
    plateau = float(level[level >= PLATEAU_SHARE * top].mean())
    half = plateau / 2.0
    if plateau <= 0.0 or float(np.percentile(level, 10)) > MOST_GROUND * plateau:
        return None
    above = np.flatnonzero(level >= half)
    runs = np.split(above, np.flatnonzero(np.diff(above) > 1) + 1)
    longest = max(runs, key=len)
    first, last = int(longest[0]), int(longest[-1])
    if first == 0 or last == len(x) - 1 or not LEAST_MM <= x[last] - x[first] <= MOST_MM:
        return None
    left = x[first] - STEP_MM * (level[first] - half) / max(float(level[first] - level[first - 1]), 1e-9)
    right = x[last] + STEP_MM * (level[last] - half) / max(float(level[last] - level[last + 1]), 1e-9)
    return float(left), float(right)


MEASURE = PhantomMeasure(
    name="slice_thickness",
    order=5,
    kinds=ACR_MR,
    values=(
        PhantomQuantity(
            "slice_thickness_mm", "mm", Phrase("Slice thickness, from the lengths of the two ramps on slice 1.")
        ),
        PhantomQuantity(
            "slice_thickness_ramps_mm.top", "mm", Phrase("Length of the upper ramp's signal at half its height.")
        ),
        PhantomQuantity(
            "slice_thickness_ramps_mm.bottom", "mm", Phrase("Length of the lower ramp's signal at half its height.")
        ),
    ),
    formula="0.2 · top · bottom / (top + bottom), full widths at half of the plateau of each ramp",
    source="ACR Large and Medium Phantom Test Guidance for the ACR MRI Accreditation Program, test 3",
    tolerance="0.5 mm",
    run=run,
)
