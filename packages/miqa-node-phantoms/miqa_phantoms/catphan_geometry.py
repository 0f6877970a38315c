"""Lengths of a Catphan 504 on module CTP404: the square of four small rods, and the slice's thickness by its wires."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region
from miqa_node.libraries.phantom_shapes.sampling import between_pixels, smooth
from miqa_phantoms.catphan import NO_MODULE, NOT_COVERED, CatphanView, Module, catphan_of

RODS_DEG = (-135.0, -45.0, 45.0, 135.0)
RODS_MM = 25.0 * np.sqrt(2.0)
ROD_SEARCH_MM, ROD_MM = 6.0, 3.5
WIRES_DEG = (180.0, 90.0, 0.0, -90.0)
WIRES_MM = 38.0
WIRE_TAN = 0.42
"""Tangent of the 23 degrees between wire and slice."""
WIRE_LENGTH_MM, WIRE_WIDTH_MM = 40.0, 10.0
STEP_MM = 0.2
GROUND_PERCENTILE, PLATEAU_PERCENTILE = 12, 90
THIN_MM = 3.5
"""Slices so thin are averaged by threes: the wire's own width would count too much in one."""
NO_RODS = Phrase("The four small rods of module CTP404 were not found.")
NO_WIRES = Phrase("The wires of module CTP404 do not stand out from what is around them.")


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = catphan_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    module = view.module("ctp404", 0.0)
    if module is None:
        return measure.none(NOT_COVERED)
    return _square(module, measure), _thickness(view, measure)


def _square(module: Module, measure: PhantomMeasure) -> PhantomValue:
    value = measure.values[0]
    rods = [_rod(module, angle) for angle in RODS_DEG]
    parts = [one for one in rods if one is not None]
    if len(parts) < len(RODS_DEG):
        return value.missing(measure.source, NO_RODS, module.read_on)
    scale = np.array([module.disc.spacing.columns, module.disc.spacing.rows])
    points = np.array(parts) * scale
    length = float(np.hypot(*(points - np.roll(points, 1, axis=0)).T).mean())
    outline = Region("POLYLINE", (*parts, parts[0]))
    return value.read(length, measure.source, module.read_on, [outline])


def _rod(module: Module, angle_deg: float) -> tuple[float, float] | None:
    """Column and row of the centre of mass of the rod or hole."""
    centre = module.centre(angle_deg, float(RODS_MM))
    for reach in (ROD_SEARCH_MM, ROD_MM, ROD_MM):  # the second look is centred on the first's result
        column, row = centre
        spacing = module.disc.spacing
        high, wide = reach / spacing.rows, reach / spacing.columns
        rows = np.arange(int(np.ceil(row - high)), int(row + high) + 1)
        columns = np.arange(int(np.ceil(column - wide)), int(column + wide) + 1)
        part = module.image[np.ix_(rows, columns)].astype(np.float64)
        off = np.abs(part - np.median(np.r_[part[0], part[-1], part[:, 0], part[:, -1]]))
        off = np.where(off > 0.25 * off.max(), off, 0.0)
        if off.max() < 30.0:
            return None
        centre = float((off * columns[None, :]).sum() / off.sum()), float((off * rows[:, None]).sum() / off.sum())
    return centre


def _thickness(view: CatphanView, measure: PhantomMeasure) -> PhantomValue:
    value = measure.values[1]
    nominal = view.stack.slices[view.layout.origin].thickness_mm or THIN_MM
    beside = 1 if nominal < THIN_MM else 0
    module = view.module("ctp404", 0.0, beside=beside)
    if module is None:
        return value.missing(measure.source, NOT_COVERED)
    widths = [_wire_mm(module, angle) for angle in WIRES_DEG]
    parts = [one for one in widths if one is not None]
    if len(parts) < 2:
        return value.missing(measure.source, NO_WIRES, module.read_on)
    thickness = float(np.mean(parts)) * WIRE_TAN / (1 + 2 * beside)
    regions = [module.circle(angle, WIRES_MM, WIRE_WIDTH_MM / 2.0) for angle in WIRES_DEG]
    return value.read(thickness, measure.source, module.read_on, regions)


def _wire_mm(module: Module, angle_deg: float) -> float | None:
    """Full width at half maximum along the wire, which lies across the direction from the centre."""
    along = np.arange(-WIRE_LENGTH_MM / 2.0, WIRE_LENGTH_MM / 2.0 + STEP_MM, STEP_MM)
    away = WIRES_MM + np.arange(-WIRE_WIDTH_MM / 2.0, WIRE_WIDTH_MM / 2.0 + 0.4, 0.4)
    angles = module.pose.angle(angle_deg) + np.arctan2(along[None, :], away[:, None])
    radii = np.hypot(along[None, :], away[:, None])
    rows, columns = module.disc.points(angles, radii)
    profile = smooth(between_pixels(module.image, rows, columns).max(axis=0), 0.6 / STEP_MM)
    ground = float(np.percentile(profile, GROUND_PERCENTILE))
    spread = float(profile[profile <= np.percentile(profile, 2 * GROUND_PERCENTILE)].std())
    plateau = float(np.percentile(profile, PLATEAU_PERCENTILE))
    if plateau - ground < max(20.0, 4.0 * spread):
        return None
    half = (plateau + ground) / 2.0
    top = int(np.flatnonzero(profile >= plateau)[0])
    below = profile < half
    left, right = np.flatnonzero(below[:top]), np.flatnonzero(below[top:])
    if not len(left) or not len(right):
        return None
    first, last = int(left[-1]), top + int(right[0])
    start = first + (half - profile[first]) / max(float(profile[first + 1] - profile[first]), 1e-9)
    end = last - (half - profile[last]) / max(float(profile[last - 1] - profile[last]), 1e-9)
    return float(end - start) * STEP_MM


MEASURE = PhantomMeasure(
    name="catphan_geometry",
    order=13,
    kinds=frozenset({PhantomKind.CATPHAN_504}),
    values=(
        PhantomQuantity(
            "line_length_mm_ctp404", "mm", Phrase("Mean side of the square of four small rods, 50 mm as it is made.")
        ),
        PhantomQuantity(
            "slice_thickness_mm", "mm", Phrase("Slice thickness, from the lengths of four wires at 23 degrees.")
        ),
    ),
    formula="distance of the rods' centres of mass; 0.42 · full width at half maximum along a wire, mean of four; of "
    "slices below 3.5 mm three are averaged, and a third is taken",
    source="The Phantom Laboratory: Catphan 500 and 600 Manual, CTP404",
    tolerance="0.1 mm (square), 0.3 mm (thickness)",
    run=run,
)
