"""Slice position of the ACR MR phantoms: the two bars below the notch on slices 1 and 11."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import ACR_MR, PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_phantoms.acr import AcrSlice, acr_of, not_found
from miqa_phantoms.slice_thickness import sample

GROUP = "slice_position_bar_difference_mm"
STEP_MM = 0.25
SEARCH_MM = (12.0, 50.0)
"""Where the lower ends of the bars are, from the upper edge of the phantom."""
WIDTH_MM = (8.0, 16.0)
"""Of both bars together."""
BELOW_MM = 5.0
"""Below the bars; a ring may follow."""
INNER = (0.2, 0.8)
"""Part of each bar's half of the width that is read."""
NO_BARS = Phrase("The two bars below the notch were not found on this slice.")


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = acr_of(stack)
    if view is None:
        return measure.none(not_found(stack))
    values = []
    for value, number in zip(measure.values, (1, 11), strict=True):
        one = view.number(number)
        bars = None if one is None else bar_ends(one)
        if one is None or bars is None:
            reason = view.lack(number) if one is None else NO_BARS
            values.append(value.missing(measure.source, reason, view.read_on(number)))
            continue
        left, right = bars
        regions = [_mark(one, *end) for end in bars]
        values.append(value.read(right[1] - left[1], measure.source, one.read_on, regions))
    return values


def _mark(one: AcrSlice, right_mm: float, down_mm: float) -> Region:
    return one.line(one.point(right_mm - 2.5, down_mm), one.point(right_mm + 2.5, down_mm))


def bar_ends(one: AcrSlice) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Middle of the lower end of the left and the right bar, from the centre of the phantom."""
    top = -one.disc.radius_mm
    sides = _sides(one, top)
    if sides is None:
        return None
    middle, half = (sides[0] + sides[1]) / 2.0, (sides[1] - sides[0]) / 2.0
    down = top + np.arange(SEARCH_MM[0] - 4.0, SEARCH_MM[1], STEP_MM)
    ends = []
    for side in (-1.0, 1.0):
        right = middle + side * half * np.linspace(*INNER, 7)
        profile = sample(one, right[None, :] + 0.0 * down[:, None], down[:, None] + 0.0 * right).mean(axis=1)
        end = _end(down, profile)
        if end is None:
            return None
        ends.append((float(middle + side * half / 2.0), end))
    return ends[0], ends[1]


def _sides(one: AcrSlice, top: float) -> tuple[float, float] | None:
    """Left and right side of the two bars, where they still touch."""
    right = np.arange(-25.0, 25.0 + STEP_MM, STEP_MM)
    down = top + np.arange(SEARCH_MM[0], SEARCH_MM[0] + 6.0, 0.5)
    profile = np.median(sample(one, right[None, :] + 0.0 * down[:, None], down[:, None] + 0.0 * right), axis=0)
    half = (float(np.percentile(profile, 75)) + float(profile.min())) / 2.0
    dark = np.flatnonzero(profile < half)
    runs = np.split(dark, np.flatnonzero(np.diff(dark) > 1) + 1)
    nearest = min((one for one in runs if len(one)), key=lambda part: float(np.abs(right[part]).min()), default=None)
    if nearest is None or not WIDTH_MM[0] <= len(nearest) * STEP_MM <= WIDTH_MM[1]:
        return None
    return float(right[nearest[0]]), float(right[nearest[-1]])


def _end(down: Array, profile: Array) -> float | None:
    """Where the profile first leaves the bar: half of the signal within the next millimetres."""
    dark = float(np.median(profile[:16]))
    rough = (dark + float(np.percentile(profile, 80))) / 2.0
    bright = np.flatnonzero(profile >= rough)
    bright = bright[bright >= 16]
    if not len(bright):
        return None
    first = int(bright[0])
    half = (dark + float(profile[first : first + round(BELOW_MM / STEP_MM)].max())) / 2.0
    crossing = np.flatnonzero((profile[:-1] < half) & (profile[1:] >= half))
    if not len(crossing):
        return None
    at = int(crossing[np.abs(crossing - first).argmin()])
    part = (half - profile[at]) / max(float(profile[at + 1] - profile[at]), 1e-9)
    return float(down[at] + part * STEP_MM)


MEASURE = PhantomMeasure(
    name="slice_position",
    order=6,
    kinds=ACR_MR,
    values=(
        PhantomQuantity(
            f"{GROUP}.slice_1",
            "mm",
            Phrase("Length of the right bar less that of the left one on slice 1: twice the slice's displacement."),
        ),
        PhantomQuantity(
            f"{GROUP}.slice_11",
            "mm",
            Phrase("Length of the right bar less that of the left one on slice 11: twice the slice's displacement."),
        ),
    ),
    formula="difference of the places where the lower ends of the bars reach half of the signal below them",
    source="ACR Large and Medium Phantom Test Guidance for the ACR MRI Accreditation Program, test 4",
    tolerance="1.5 mm",
    run=run,
)
