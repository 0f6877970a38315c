"""Slice width of a plain MR phantom with two ramps: plates at 11.3 degrees that rise in opposite directions.

Nine rods, 60 mm apart, tell how the phantom lies and correct the length of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region, polyline
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_node.libraries.phantom_shapes.disc import find_disc
from miqa_node.libraries.phantom_shapes.sampling import between_pixels, smooth
from miqa_node.stages.measure.series_view import Values

GAP_MM = 60.0
ANGLE = np.radians(11.3)
SEARCH_MM = 9.0
"""Around the place where a rod should be."""
LEAST_DARK = 0.3
"""Share of the signal beside it that a rod takes away."""
HALF_BAND_MM = 7.0
HALF_LINE_MM = 50.0
STEP_MM = 0.25
ENDS_MM = 28.0
"""Beyond this from the middle a line has no ramp: its ground is read there."""
LEAST_DEPTH = 0.05
SMOOTH_MM = 1.0
NO_RODS = Phrase("The nine rods of the phantom were not found.")
NO_RAMPS = Phrase("The ramps do not stand out of the signal beside them.")


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    place = len(stack.images) // 2
    image, read_on = stack.images[place], stack.read_on(place)
    rods = find_rods(image, stack.spacing_mm)
    if rods is None:
        return measure.none(NO_RODS)
    lines = [(rods[0, 1] + rods[1, 1]) / 2.0, (rods[1, 1] + rods[2, 1]) / 2.0]
    across = (rods[:, 2] - rods[:, 0]).mean(axis=0)
    length_mm = float(np.hypot(*across))
    across = across / length_mm
    ends = [ramp_ends(image, stack.spacing_mm, middle, across) for middle in lines]
    if ends[0] is None or ends[1] is None:
        return measure.none(NO_RAMPS)
    scale = 2.0 * GAP_MM / length_mm
    top, bottom = ((end[1] - end[0]) * scale for end in (ends[0], ends[1]))
    regions = [
        _line(middle, across, end, stack.spacing_mm) for middle, end in zip(lines, (ends[0], ends[1]), strict=True)
    ]
    figures = (slice_width_mm(top, bottom), top, bottom)
    return tuple(
        one.read(figure, measure.source, read_on, regions) for one, figure in zip(measure.values, figures, strict=True)
    )


def slice_width_mm(top_mm: float, bottom_mm: float) -> float:
    """Of the lengths of both ramps; a tilt of the phantom makes one longer and the other shorter.

    >>> round(slice_width_mm(25.0, 25.0), 1), round(slice_width_mm(22.0, 29.0), 1)
    (5.0, 5.0)
    """
    between = np.pi - 2.0 * ANGLE
    root = np.sqrt(np.cos(between) ** 2 * (bottom_mm - top_mm) ** 2 + 4.0 * top_mm * bottom_mm)
    return float((root + (top_mm + bottom_mm) * np.cos(between)) / (2.0 * np.sin(between)))


def find_rods(image: Values, spacing_mm: tuple[float, float]) -> Array | None:
    """Their middles, right and down in mm from the first pixel, (3, 3, 2) by row and column; None without nine."""
    disc = find_disc(image, spacing_mm)
    if disc is None:
        return None
    middle = np.array([disc.column * spacing_mm[1], disc.row * spacing_mm[0]])
    offsets = GAP_MM * np.arange(-1, 2)
    expected = np.stack(np.meshgrid(offsets, offsets), axis=2) + middle
    level = float(np.median(image[disc.within(image.shape, 0.9 * disc.radius_mm)]))
    rods = [_rod(image, spacing_mm, place, level) for place in expected.reshape(-1, 2)]
    places = [one for one in rods if one is not None]
    return np.array(places).reshape(3, 3, 2) if len(places) == len(rods) else None


def _rod(image: Values, spacing_mm: tuple[float, float], place: Array, level: float) -> Array | None:
    rows, columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    right, down = columns * spacing_mm[1], rows * spacing_mm[0]
    near = np.hypot(right - place[0], down - place[1]) <= SEARCH_MM
    dark = np.maximum(1.0 - LEAST_DARK - image[near] / max(level, 1e-9), 0.0)
    if not dark.any():
        return None
    return np.array([np.average(right[near], weights=dark), np.average(down[near], weights=dark)])


def ramp_ends(
    image: Values, spacing_mm: tuple[float, float], middle: Array, across: Array
) -> tuple[float, float] | None:
    """Where the signal of a ramp's line is half as deep as at its deepest, in mm from its middle; None without one."""
    along = np.arange(-HALF_LINE_MM, HALF_LINE_MM + STEP_MM, STEP_MM)
    beside = np.arange(-HALF_BAND_MM, HALF_BAND_MM + STEP_MM, 1.0)
    right = middle[0] + along[None, :] * across[0] - beside[:, None] * across[1]
    down = middle[1] + along[None, :] * across[1] + beside[:, None] * across[0]
    profile = between_pixels(image, down / spacing_mm[0], right / spacing_mm[1]).mean(axis=0)
    outer = np.abs(along) >= ENDS_MM
    ground = np.polyval(np.polyfit(along[outer], profile[outer], 2), along)
    depth = smooth(1.0 - profile / np.maximum(ground, 1e-9), SMOOTH_MM / STEP_MM)
    deepest = float(np.percentile(depth, 95))
    if deepest < LEAST_DEPTH:
        return None
    deep = np.flatnonzero(depth >= deepest / 2.0)
    first, last = int(deep[0]), int(deep[-1])
    if first == 0 or last == len(along) - 1:
        return None
    before, after = (
        STEP_MM * float((depth[inner] - deepest / 2.0) / max(depth[inner] - depth[outer_], 1e-9))
        for inner, outer_ in ((first, first - 1), (last, last + 1))
    )
    return float(along[first] - before), float(along[last] + after)


def _line(middle: Array, across: Array, ends: tuple[float, float], spacing_mm: tuple[float, float]) -> Region:
    return polyline((middle + across * end) / (spacing_mm[1], spacing_mm[0]) for end in ends)


MEASURE = PhantomMeasure(
    name="mr_slice_width",
    order=21,
    kinds=frozenset({PhantomKind.MR_SLICE_WIDTH}),
    values=(
        PhantomQuantity("slice_width_mm", "mm", Phrase("Slice width, from the lengths of two opposite ramps.")),
        PhantomQuantity(
            "slice_width_ramps_mm.top", "mm", Phrase("Length of the upper ramp's signal at half its depth.")
        ),
        PhantomQuantity(
            "slice_width_ramps_mm.bottom", "mm", Phrase("Length of the lower ramp's signal at half its depth.")
        ),
    ),
    formula=(
        "(√(cos²θ · (b − a)² + 4ab) + (a + b) · cos θ) / (2 sin θ) with the full widths a, b at half depth and θ = "
        "157.4 degrees between the ramps; lengths are scaled so that the outer rods are 120 mm apart"
    ),
    source="AAPM's formula for tilted ramps, and the phantom's measures, as hazen 2.0.0 has them in slice_width.py",
    tolerance="0.1 mm",
    run=run,
)
