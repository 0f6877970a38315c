"""Uniformity of plain MR phantoms: over most of the slice, and along two lines through the middle."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, PhantomQuantity
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue, Region
from miqa_node.libraries.phantom_shapes.arrays import Array
from miqa_phantoms.mr_object import NO_OBJECT, MrObject, box, mr_object_of
from miqa_phantoms.snr import PIXEL_MM

REGION_SHARE = 0.75
"""Of the area of the phantom, without its rim."""
WEIGHTS = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16.0
LINE_MM, BAND_MM = 160 * PIXEL_MM, 10 * PIXEL_MM
"""Length and width of a line."""
NEAR = 0.1
"""Of the middle's signal, by which a point of a line may differ."""
GROUP = "fraction_within_10_percent_of_mean_of_roi"
TOO_SMALL = Phrase("The phantom is smaller than the lines along which its uniformity is read.")


def run(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    """See ``MEASURE``."""
    body = mr_object_of(stack)
    if body is None:
        return measure.none(NO_OBJECT)
    read_on = stack.read_on(body.place)
    integral, *fractions = measure.values
    lowest, highest, marks = extremes(body)
    values = [
        integral.read(100.0 * (1.0 - (highest - lowest) / (highest + lowest)), measure.source, read_on, marks)
        if highest > 0.0
        else integral.missing(measure.source, Phrase("The slice has no signal."), read_on)
    ]
    for value, is_across in zip(fractions, (True, False), strict=True):
        share = fraction(body, stack.spacing_mm, is_across=is_across)
        if share is None:
            values.append(value.missing(measure.source, TOO_SMALL, read_on))
        else:
            rows, columns = _band(body, stack.spacing_mm, is_across=is_across)
            values.append(value.read(share, measure.source, read_on, [box(rows, columns)]))
    return values


def extremes(body: MrObject) -> tuple[float, float, list[Region]]:
    """Lowest and highest signal of the smoothed slice within most of the phantom, and where they are."""
    depth = cv2.distanceTransform(body.inside.astype(np.uint8), cv2.DIST_L2, 5)
    region = depth > np.quantile(depth[body.inside], 1.0 - REGION_SHARE)
    smooth = cv2.filter2D(body.image.astype(np.float64), -1, WEIGHTS, borderType=cv2.BORDER_REPLICATE)
    places = [np.where(region, sign * smooth, np.inf).argmin() for sign in (1.0, -1.0)]
    marks = []
    for place, label in zip(places, ("low", "high"), strict=True):
        row, column = np.unravel_index(place, smooth.shape)
        marks.append(Region("CIRCLE", ((float(column), float(row)), (float(column) + 3.0, float(row))), label))
    lowest, highest = (float(smooth.ravel()[place]) for place in places)
    return lowest, highest, marks


def fraction(body: MrObject, spacing_mm: tuple[float, float], *, is_across: bool) -> float | None:
    """Share of a line through the middle within 10 % of the middle's signal; None if it leaves the phantom."""
    rows, columns = _band(body, spacing_mm, is_across=is_across)
    if rows.start < 0 or columns.start < 0 or not body.inside[rows, columns].all():
        return None
    band = body.image[rows, columns]
    profile: Array = np.asarray(band.mean(axis=0 if is_across else 1), np.float64)
    high, wide = (round(BAND_MM / 2 / step) for step in spacing_mm)
    row, column = int(body.row), int(body.column)
    middle = float(np.median(body.image[row - high : row + high, column - wide : column + wide]))
    return float(np.mean(np.abs(profile - middle) < NEAR * middle))


def _band(body: MrObject, spacing_mm: tuple[float, float], *, is_across: bool) -> tuple[slice, slice]:
    lengths = (BAND_MM, LINE_MM) if is_across else (LINE_MM, BAND_MM)
    down, across = (round(length / 2 / step) for length, step in zip(lengths, spacing_mm, strict=True))
    row, column = int(body.row), int(body.column)
    return slice(row - down, row + down), slice(column - across, column + across)


MEASURE = PhantomMeasure(
    name="mr_uniformity",
    order=18,
    kinds=frozenset({PhantomKind.MR_UNIFORM}),
    values=(
        PhantomQuantity(
            "uniformity_percent",
            "%",
            Phrase(
                "Integral uniformity: 100 %, less the difference of the highest and the lowest smoothed signal as a "
                "share of their sum, in three quarters of the phantom's area."
            ),
        ),
        PhantomQuantity(
            f"{GROUP}.horizontal_ipem",
            "1",
            Phrase("Share of a horizontal line of 160 pixels within a tenth of the signal in the middle."),
        ),
        PhantomQuantity(
            f"{GROUP}.vertical_ipem",
            "1",
            Phrase("Share of a vertical line of 160 pixels within a tenth of the signal in the middle."),
        ),
    ),
    formula=(
        "100 · (1 − (high − low) / (high + low)) after weights 1 2 1, 2 4 2, 1 2 1, in 75 % of the area; shares: "
        "means over 10 pixels across each line, against the median of 10 × 10 pixels in the middle (pixels of 250 mm / "
        "256)"
    ),
    source=(
        "shares: IPEM Report 80 as revisemri.com (Calculating Uniformity) and hazen 2.0.0 (uniformity.py) quote it; "
        "integral: NEMA MS 3 in our own reading, the document was not open to us"
    ),
    tolerance="0.02 (shares)",
    run=run,
)
