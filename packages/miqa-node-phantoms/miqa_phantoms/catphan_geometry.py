"""Lengths of a Catphan on module CTP404: the square of four small rods, and the slice's thickness by its wires."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region
from miqa_phantoms.catphan import CATPHAN, NO_MODULE, CatphanView, catphan_of
from miqa_phantoms.catphan_wires import HALF_WIDTH_MM, WIRES_DEG, WIRES_MM, thickness_mm
from miqa_phantoms.modules import Module

RODS_DEG = (-135.0, -45.0, 45.0, 135.0)
RODS_MM = 25.0 * np.sqrt(2.0)
ROD_SEARCH_MM, ROD_MM = 6.0, 3.5
NO_RODS = Phrase("The four small rods of module CTP404 were not found.")


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    view = catphan_of(stack)
    if view is None:
        return measure.none(NO_MODULE)
    module = view.ctp404()
    return _square(module, measure), _thickness(view, module, measure)


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


def _thickness(view: CatphanView, module: Module, measure: PhantomMeasure) -> PhantomValue:
    value = measure.values[1]
    thickness = thickness_mm(module, view.ctp404_slices())
    if isinstance(thickness, Phrase):
        return value.missing(measure.source, thickness, module.read_on)
    regions = [module.circle(angle, WIRES_MM, HALF_WIDTH_MM) for angle in WIRES_DEG]
    return value.read(thickness, measure.source, module.read_on, regions)


MEASURE = PhantomMeasure(
    name="catphan_geometry",
    order=13,
    kinds=CATPHAN,
    values=(
        PhantomQuantity(
            "line_length_mm_ctp404", "mm", Phrase("Mean side of the square of four small rods, 50 mm as it is made.")
        ),
        PhantomQuantity(
            "slice_thickness_mm", "mm", Phrase("Slice thickness, from the lengths of four wires at 23 degrees.")
        ),
    ),
    formula="distance of the rods' centres of mass; tan 23° · full width at half maximum along a wire less its blur, "
    "mean of four, of the mean of slices that are moved by what lies between them",
    source="The Phantom Laboratory: Catphan 500 and 600 Manual, CTP404",
    tolerance="0.1 mm (square), 0.3 mm (thickness)",
    run=run,
)
