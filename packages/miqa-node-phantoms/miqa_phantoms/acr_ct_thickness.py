"""Slice thickness of the ACR CT phantom: how many wires of the two ramps of module 1 are seen.

Each ramp has a wire for each half of a millimetre along the axis. Where the ramps lie in the plane, the image says: two
rows of small bright spots, above and below the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.sampling import between_pixels, peaks
from miqa_phantoms.acr_ct import ACR_CT, NO_MODULE, SOURCE, acr_ct_of
from miqa_phantoms.modules import Module

WIRE_MM = 0.5
"""Along the axis, from one wire to the next."""
INSIDE_MM = 46.0
"""The ramps lie between the inserts."""
STEP_MM = 0.2
ROW_MM = 1.5
"""Above and below the middle of a row, what belongs to it."""
APART_MM = 0.8
"""Two wires are not nearer to each other."""
BACKGROUND_MM = 8.0
LEAST_HU, LEAST_SIGMA = 20.0, 6.0
MOST_UNLIKE = 2
"""By so many wires the two rows may differ."""
NO_ROWS = Phrase("The wires of the two ramps of module 1 were not found.")
UNLIKE_ROWS = Phrase("The two ramps of module 1 show different numbers of wires: tilt, or too much noise.")


class Row(NamedTuple):
    """The wires of a ramp: where they are, in mm right of and below the middle as the phantom lies."""

    right_mm: tuple[float, ...]
    down_mm: float


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = acr_ct_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    module = view.ramps()
    rows = wires_of(module)
    if rows is None:
        return tuple(one.missing(measure.source, NO_ROWS, module.read_on) for one in measure.values)
    counts = [len(one.right_mm) for one in rows]
    if abs(counts[0] - counts[1]) > MOST_UNLIKE:
        return tuple(one.missing(measure.source, UNLIKE_ROWS, module.read_on) for one in measure.values)
    regions = [_point(module, right, row.down_mm) for row in rows for right in row.right_mm]
    thickness = WIRE_MM * float(np.mean(counts))
    return (measure.values[0].read(thickness, measure.source, module.read_on, regions),)


def wires_of(module: Module) -> tuple[Row, Row] | None:
    """The rows above and below the middle; None if one of them has no wire."""
    at = np.arange(-INSIDE_MM, INSIDE_MM + STEP_MM / 2.0, STEP_MM)
    right, down = np.meshgrid(at, at)
    angles = module.pose.angles(np.arctan2(down, right))
    rows, columns = module.disc.points(angles, np.hypot(right, down))
    upright = between_pixels(module.image, rows, columns).astype(np.float32)
    ground = cv2.blur(upright, (round(BACKGROUND_MM / STEP_MM), round(BACKGROUND_MM / STEP_MM)))
    spots = np.where(np.hypot(right, down) < INSIDE_MM - BACKGROUND_MM / 2.0, upright - ground, 0.0).astype(np.float64)
    noise = 1.4826 * float(np.median(np.abs(spots[spots != 0.0])))
    half = len(at) // 2
    rows_of_wires = (_row(part, at, noise, first) for part, first in ((spots[:half], 0), (spots[half:], half)))
    above, below = rows_of_wires
    return None if above is None or below is None else (above, below)


def _row(spots: Array, at: Array, noise: float, first: int) -> Row | None:
    """The wires along the line of the brightest spot that are at least half as bright as the middle ones."""
    line = int(np.argmax(np.partition(spots, -5, axis=1)[:, -5:].mean(axis=1)))
    reach = round(ROW_MM / STEP_MM)
    profile: Array = spots[max(0, line - reach) : line + reach + 1].max(axis=0)
    top = float(profile.max())
    if top < max(LEAST_HU, LEAST_SIGMA * noise):
        return None
    tops = peaks(profile, round(APART_MM / STEP_MM))
    usual = float(np.median(profile[tops][profile[tops] >= top / 2.0]))
    wires = tops[profile[tops] >= usual / 2.0]
    return Row(tuple(float(at[one]) for one in wires), float(at[first + line]))


def _point(module: Module, right_mm: float, down_mm: float) -> Region:
    angle, away = float(np.degrees(np.arctan2(down_mm, right_mm))), float(np.hypot(right_mm, down_mm))
    return Region("POINT", (module.centre(angle, away),))


MEASURE = PhantomMeasure(
    name="acr_ct_thickness",
    order=26,
    kinds=ACR_CT,
    values=(
        PhantomQuantity("slice_thickness_mm", "mm", Phrase("Half of the number of wires of a ramp that are seen.")),
    ),
    formula="0.5 mm · mean over both ramps of the wires that are at least half as bright as their median, on one slice",
    source=SOURCE,
    tolerance="0.5 mm",
    run=run,
)
