"""Percent signal ghosting of the ACR MR phantoms, on slice 7."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import ACR_MR, PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region
from miqa_node.stages.measure.series_view import Mask
from miqa_phantoms.acr import AcrSlice, slice_of

AREA_MM2 = 1000.0
LEAST_GAP_MM = 6.0
GAP_SHARE = 0.5
"""Width of a region in the gap between phantom and border; the rest keeps it off both."""
MOST_WIDTH_MM = 20.0
RIM_MM = 4.0
"""Beyond the edge of the phantom air begins."""
NOISY_SHARE = 0.5
"""Of the pixels of air are not zero, where it has noise."""
LARGE_SHARE = 0.84
"""Radius of the circle in the phantom, as a share of the phantom's: 80 mm in the large one."""
SIDES = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    answer = slice_of(stack, 7)
    if isinstance(answer, Phrase):
        return measure.none(answer)
    _, seventh = answer
    image, regions, means = seventh.image, [], {}
    field = field_of(seventh)
    for side, (right, down) in SIDES.items():
        ellipse = _ellipse(seventh, field, right, down)
        if ellipse is None:
            reason = Phrase("The field of view leaves no room for a region of air beside the phantom.")
            return measure.none(reason)
        inside, outline = ellipse
        means[side] = float(image[inside].mean())
        regions.append(outline)
    radius = LARGE_SHARE * seventh.disc.radius_mm
    signal = float(image[seventh.disc.within(image.shape, radius)].mean())
    if signal <= 0.0:
        return measure.none(Phrase("The slice has no signal."))
    psg = 100.0 * abs(means["top"] + means["bottom"] - means["left"] - means["right"]) / (2.0 * signal)
    return (measure.values[0].read(psg, measure.source, seventh.read_on, regions),)


def field_of(one: AcrSlice) -> tuple[slice, slice]:
    """Rows and columns that were scanned: zeros around an image whose air has noise were added to it."""
    rows, columns = (np.flatnonzero((one.image > 0.0).any(axis=axis)) for axis in (1, 0))
    scanned = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    air = ~one.disc.within(one.image.shape, one.disc.radius_mm + RIM_MM)
    has_noise = bool(air[scanned].any()) and float(np.mean(one.image[scanned][air[scanned]] > 0.0)) > NOISY_SHARE
    return scanned if has_noise else (slice(0, one.image.shape[0]), slice(0, one.image.shape[1]))


def _ellipse(one: AcrSlice, field: tuple[slice, slice], right: int, down: int) -> tuple[Mask, Region] | None:
    """An ellipse of 10 cm² in the middle of the gap on one side, and its outline; None if there is no gap."""
    disc, (rows, columns) = one.disc, one.image.shape
    spacing = disc.spacing.columns if right else disc.spacing.rows
    centre, scanned = (disc.column, field[1]) if right else (disc.row, field[0])
    border_mm = (scanned.stop - 1 - centre if right + down > 0 else centre - scanned.start) * spacing
    gap = border_mm - disc.radius_mm
    if gap < LEAST_GAP_MM:
        return None
    across = min(MOST_WIDTH_MM, GAP_SHARE * gap) / 2.0
    along = AREA_MM2 / (np.pi * across)
    middle = disc.radius_mm + gap / 2.0
    half_x, half_y = (across, along) if right else (along, across)
    x = (np.arange(columns) - disc.column) * disc.spacing.columns - right * middle
    y = (np.arange(rows) - disc.row) * disc.spacing.rows - down * middle
    inside = (x[None, :] / half_x) ** 2 + (y[:, None] / half_y) ** 2 <= 1.0
    turn = np.linspace(0.0, 2.0 * np.pi, 25)
    points = [
        (
            float(disc.column + (right * middle + half_x * np.cos(angle)) / disc.spacing.columns),
            float(disc.row + (down * middle + half_y * np.sin(angle)) / disc.spacing.rows),
        )
        for angle in turn
    ]
    inside[: field[0].start], inside[field[0].stop :] = False, False
    inside[:, : field[1].start], inside[:, field[1].stop :] = False, False
    return np.asarray(inside), one.line(*points)


MEASURE = PhantomMeasure(
    name="psg",
    order=2,
    kinds=ACR_MR,
    values=(
        PhantomQuantity(
            "psg_percent",
            "%",
            Phrase(
                "Percent signal ghosting on slice 7: the difference between the mean signal of air above and below "
                "the phantom and that to its left and right, as a share of twice the phantom's mean signal."
            ),
        ),
    ),
    formula="100 · |(top + bottom) − (left + right)| / (2 · phantom), ellipses of 10 cm² in the middle of each gap",
    source="ACR Large and Medium Phantom Test Guidance for the ACR MRI Accreditation Program, test 6",
    tolerance="0.1 percentage points",
    run=run,
)
