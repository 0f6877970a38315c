"""How much of the patient the field of view of a CT series cuts off, and where."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.ct.body import CT, EDGE_PX, ct_slice, field_of_view
from miqa_node.stages.measure.series.whole import worst
from miqa_node.stages.measure.series_view import Mask, SliceView, Values

SMALL_FIELD_MM = 300.0
CHOSEN_SHARE = 50.0
"""A small field with more body than this (%) along its edge is intended: a spine, a heart, an ear."""
CIRCLE_SHARE = 0.97
DISC_SHARE = 0.9
"""A circle of less than the first share of the image is taken for the field if values other than that of the corners
fill the second share of it."""


class FieldEdge(NamedTuple):
    """The outermost pixels of what was reconstructed, and its diameter in pixels."""

    edge: Mask
    diameter_px: float
    padded: bool = False
    """Whether it is smaller than the image: then nobody chose it for a spine or an ear, which would fill the image."""


def truncation(body: Mask, edge: Mask) -> tuple[float, Mask]:
    """(percentage of the edge that the body touches, the touching pixels).

    >>> round(truncation(np.ones((64, 64), bool), field_edge(np.zeros((64, 64), np.float32)).edge)[0])
    100
    """
    cut = body & edge
    return 100.0 * float(np.count_nonzero(cut)) / max(1, int(np.count_nonzero(edge))), cut


def field_edge(image: Values) -> FieldEdge:
    """Of the circle inside the image, or of a smaller one if everything outside of that has the value of the corners.

    >>> inside = np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 20
    >>> field_edge(np.where(inside, np.arange(4096.0).reshape(64, 64), -1024.0).astype(np.float32)).diameter_px
    40.0
    """
    rows, columns = image.shape
    whole = FieldEdge(field_of_view(rows, columns).edge, float(min(rows, columns)))
    fill = image[0, 0]
    if not (image[0, -1] == image[-1, 0] == image[-1, -1] == fill):
        return whole
    filled = image != fill
    down, right = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    if not down.size or max(down[-1] - down[0], right[-1] - right[0]) + 1 >= CIRCLE_SHARE * min(rows, columns):
        return whole
    radius = float(max(down[-1] - down[0], right[-1] - right[0]) + 1) / 2.0
    if np.count_nonzero(filled) < DISC_SHARE * np.pi * radius * radius:
        return whole  # the table and the patient in air that was set to one value
    y, x = np.ogrid[:rows, :columns]
    away = np.hypot(y - (down[0] + down[-1]) / 2.0, x - (right[0] + right[-1]) / 2.0)
    return FieldEdge((away < radius) & (away >= radius - EDGE_PX), 2.0 * radius, padded=True)


def _cut(view: SliceView) -> tuple[float, Mask] | None:
    plane = view.once(ct_slice)
    if plane is None:
        return None
    field = field_edge(plane.image)
    cut = truncation(plane.body, field.edge)
    is_small = not field.padded and field.diameter_px * plane.spacing_mm < SMALL_FIELD_MM
    return None if is_small and cut[0] > CHOSEN_SHARE else cut


def _share(view: SliceView) -> float | None:
    cut = view.once(_cut)
    return None if cut is None else cut[0]


def _mask(view: SliceView) -> Mask | None:
    cut = view.once(_cut)
    return cut[1] if cut is not None and cut[1].any() else None


TRUNCATION = SeriesMeasure(
    name="truncation",
    unit="%",
    label="Truncation",
    code="TRUNCATION",
    summary="Largest share of the edge of the field of view that the body touches on a slice.",
    definition="Share of the outermost 3 pixels of the field of view's circle that the body covers, on the worst "
    "slice; of a smaller circle if padding surrounds it. The body is the largest connected part above −300 HU.",
    validity="Slices of a field of 300 mm or more, and smaller ones that the body fills at up to half of their edge: "
    "others were chosen so, for a spine or an ear.",
    tolerance="Within 1 of drawn bodies.",
    section="CT and MR series",
    rank=450,
    modalities=CT,
    each=_share,
    take=worst,
    along="alone",
    mask=_mask,
    concern="The body is larger than the field of view, so a part of it is missing, and values near "
    "the edge are wrong.",
)
