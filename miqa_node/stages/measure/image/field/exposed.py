"""How much of a radiograph lies outside of the exposed field, and where the field ends.

Outside is what the file itself declares so, as padding or by its display shutter, and what lies behind the borders
that are seen (:mod:`miqa_node.stages.measure.image.field.borders`).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.core.domain.assessment import Measurement
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.image.field.borders import SIDES, field_borders
from miqa_node.stages.measure.view import ImageView

field_measure = partial(ImageMeasure, section="Exposed field", modalities=("CR", "DX", "RG"))
LEAST_SIDE_PX = 128
COLLIMATED_FROM = 0.01
"""A field that ends this far from a side of the picture, as a share of it, ends there on purpose."""


Ends = tuple[float, float, float, float]
"""Distances of the ends of a field from the four SIDES, as shares of the picture."""


class ExposedField(NamedTuple):
    """The field in the whole picture: where it ends on the middle row and column, and how far it is turned clockwise.

    ``tilt_deg`` is None where no border is seen that could be turned.
    """

    ends: Ends
    outside_share: float
    tilt_deg: float | None


def exposed_field(view: ImageView) -> ExposedField:
    """The field of the picture, which is all of it if nothing else is declared or seen.

    >>> from miqa_node.stages.measure.view import view_of
    >>> picture = np.random.default_rng(0).integers(20000, 60000, (200, 200))
    >>> picture[:, :50] = 0
    >>> exposed_field(view_of(picture.astype(np.uint16)))
    ExposedField(ends=(0.25, 0.0, 0.0, 0.0), outside_share=0.25, tilt_deg=0.0)
    """
    overview = view.overview
    borders = field_borders(overview)
    rows, columns = view.radiograph.matrix_shape
    across, down = view.shape[1] / overview.shape[1], view.shape[0] / overview.shape[0]
    top, left = view.corner
    before = (left, columns - left - view.shape[1], top, rows - top - view.shape[0])
    scales, counts = (across, across, down, down), (columns, columns, rows, rows)
    left_end, right_end, top_end, bottom_end = (
        round((start + borders.px.get(side, 0.0) * scale) / count, 4)
        for side, start, scale, count in zip(SIDES, before, scales, counts, strict=True)
    )
    inside = borders.inside(overview.shape).astype(np.float32)
    if view.mask is not None:
        inside *= cv2.resize(view.mask, overview.shape[::-1], interpolation=cv2.INTER_AREA) / np.float32(255)
    outside = 1.0 - float(inside.mean()) * view.shape[0] * view.shape[1] / (rows * columns)
    ends = left_end, right_end, top_end, bottom_end
    return ExposedField(ends, round(outside, 4), borders.tilt_deg if borders.px else None)


def _end(name: str, number: int, view: ImageView) -> Measurement:
    """In mm at the detector if the spacing is known, else in percent of the picture's side."""
    share = view.once(exposed_field).ends[number]
    if view.spacing_mm is None:
        return Measurement(name, round(100.0 * share, 2), "%")
    rows, columns = view.radiograph.matrix_shape
    length_mm = columns * view.spacing_mm[1] if number < 2 else rows * view.spacing_mm[0]
    return Measurement(name, round(share * length_mm, 2), "mm")


def _end_at(side: str) -> ImageMeasure:
    name, number = f"field_{side}", SIDES.index(side)
    return field_measure(
        name=name,
        unit="mm",
        other_units=("%",),
        label=f"Distance from the border to the field, image's {side}",
        code=f"FIELD_{side.upper()}",
        summary=f"How far from the border of the picture the exposed field ends at the image's {side}.",
        definition=f"Distance of the exposed field from the {side} border of the IMAGE on its middle row or column, in "
        "mm at the detector by the pixel spacing of the header, else in percent of the image's width or height.",
        validity="As `field_outside_share`. 0 where the field reaches the border, and where no border of it is seen.",
        tolerance="Within 2 % of the image's side for .93 of the borders drawn into chests, .84 into other parts.",
        rank=213 + number,
        least_side_px=LEAST_SIDE_PX,
        take=lambda view: _end(name, number, view),
    )


FIELD_OUTSIDE_SHARE = field_measure(
    name="field_outside_share",
    unit="%",
    label="Picture outside of the exposed field",
    code="FIELD_OUTSIDE",
    summary="Share of the picture that was not exposed, or is hidden by a shutter or declared padding.",
    definition="Share of the picture that is padding, lies outside of the image's own display shutter, or behind a "
    "border of the field. A border is a straight edge within 45 % of the side, seen along 85 % of its length in a copy "
    "of 256 pixels, with an even area behind it; all borders of a picture are parallel or at right angles.",
    validity="CR, DX and digitised film of 128 pixels a side or more. What was cut off before the image was stored is "
    "not seen.",
    tolerance="Within 3 of drawn fields, 0.1 of padding and shutters.",
    rank=210,
    least_side_px=LEAST_SIDE_PX,
    take=lambda view: round(100.0 * view.once(exposed_field).outside_share, 2),
)
FIELD_SIDES = field_measure(
    name="field_sides",
    unit="1",
    report_unit="{sides}",
    label="Sides at which the field ends inside the picture",
    summary="Number of sides of the picture, 0 to 4, at which the exposed field ends before the border.",
    definition="Sides at which the field ends at least 1 % of the picture's side before the border, because it was "
    "collimated, or because the plate ends there.",
    validity="As `field_outside_share`. 0 says that no border was seen, not that the collimator was open: a file may "
    "hold the collimated part alone.",
    tolerance="Of drawn borders .07 of chests and .16 of other parts are not seen; .004 of open sides have one that "
    "nobody drew.",
    rank=211,
    least_side_px=LEAST_SIDE_PX,
    take=lambda view: float(sum(end >= COLLIMATED_FROM for end in view.once(exposed_field).ends)),
)
FIELD_TILT_DEG = field_measure(
    name="field_tilt_deg",
    unit="deg",
    label="Tilt of the exposed field",
    code="FIELD_TILT",
    summary="How far the borders of the exposed field are turned against those of the picture, clockwise.",
    definition="Angle of the borders that are seen against the rows and columns, in steps of half a degree; positive "
    "is clockwise.",
    validity="Up to 10°; left out where no border is seen.",
    tolerance="Within 0.5° on drawn fields.",
    rank=212,
    least_side_px=LEAST_SIDE_PX,
    take=lambda view: view.once(exposed_field).tilt_deg,
)
FIELD_LEFT, FIELD_RIGHT, FIELD_TOP, FIELD_BOTTOM = (_end_at(side) for side in SIDES)
