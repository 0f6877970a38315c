"""How much of the patient the field of view of a CT series cuts off, and where."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.stages.measure.series_view import Mask, SliceView, Values
from miqa_series.ct.body import EDGE_PX, ct_measure, ct_slice, field_of_view
from miqa_series.stacks.whole import worst

SMALL_FIELD_MM = 300.0
CHOSEN_SHARE = 50.0
"""A small field with more body than this (%) along its edge is intended: a spine, a heart, an ear."""
SMALLEST_FIELD_MM = 150.0
"""No head and no body fits into a field of less: one that cuts something off is intended, a jaw or an ear."""
CIRCLE_SHARE = 0.97
DISC_SHARE = 0.9
"""A circle of less than the first share of the image is taken for the field if values other than that of the corners
fill the second share of it."""


BEYOND_SHARE = 0.002
"""Share of the image that the body covers outside of the circle if the field is the whole image."""
MEDIAN_STEP = 8
"""Of the pixels of a part every eighth tells its median well enough."""
OPEN_LUNG_HU = -950.0
"""What body and edge of the field enclose is lung if its median is above this, as even of most emphysema."""
WIDEST_OPENING = 1 / 3
"""Of the edge: an opened lung takes at most a fifth, air and table below a body that touches both sides a half."""


class FieldEdge(NamedTuple):
    """The outermost pixels of the reconstruction, the area within, and its diameter in pixels."""

    edge: Mask
    inside: Mask
    diameter_px: float
    padded: bool = False
    """Whether it is smaller than the image: then nobody chose it for a spine or an ear, which would fill the image."""


class FieldCut(NamedTuple):
    """The field, the share of its edge in percent that the body touches, and the touching pixels.

    ``of_circle`` is the share of the circle inside the field, which a body larger than a square field covers.
    """

    field: FieldEdge
    share: float
    touching: Mask
    of_circle: float


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
    circle = field_of_view(rows, columns)
    whole = FieldEdge(circle.edge, circle.inside, float(min(rows, columns)))
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
    inside = away < radius - EDGE_PX
    return FieldEdge((away < radius) & ~inside, inside, 2.0 * radius, padded=True)


def field_around(image: Values, body: Mask) -> FieldEdge:
    """The result of :func:`field_edge`; the whole image if the body reaches out of the circle.

    >>> int(field_around(np.zeros((64, 96), np.float32), np.ones((64, 96), bool)).inside.sum()) == 58 * 90
    True
    """
    field = field_edge(image)
    beyond = body & ~(field.edge | field.inside)
    if field.padded or np.count_nonzero(beyond) < BEYOND_SHARE * body.size:
        return field
    inside = np.zeros(body.shape, bool)
    inside[EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX] = True
    return FieldEdge(~inside, inside, field.diameter_px)


def open_lungs(image: Values, body: Mask, field: FieldEdge) -> Mask:
    """Lungs that the edge of the field opens, with the adjacent part of the edge.

    >>> image = np.full((64, 64), -1000.0, np.float32)
    >>> image[20:40, 32:], image[25:35, 40:] = 40.0, -850.0
    >>> body = image == 40.0
    >>> lungs = open_lungs(image, body, field_edge(image))
    >>> bool(lungs[30, 50]), bool(lungs[10, 50])
    (True, False)
    """
    lungs = np.zeros(body.shape, bool)
    _, labels = cv2.connectedComponents((field.inside & ~body).view(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    nearest = cv2.dilate(labels.astype(np.float32), np.ones((2 * EDGE_PX + 1, 2 * EDGE_PX + 1), np.uint8))
    for part in set(nearest[field.edge & ~body].astype(int)) - {0}:
        within, beside = labels == part, field.edge & ~body & (nearest == part)
        if np.count_nonzero(beside) > WIDEST_OPENING * np.count_nonzero(field.edge):
            continue  # air and table below or above a body that touches the edge on both sides
        if np.median(image[within][::MEDIAN_STEP]) > OPEN_LUNG_HU:
            lungs |= within | beside
    return lungs


def field_cut(view: SliceView) -> FieldCut | None:
    """None without a body."""
    plane = view.once(ct_slice)
    if plane is None:
        return None
    field = field_around(plane.image, plane.body)
    share, cut = truncation(plane.body, field.edge)
    if cut.any():
        share, cut = truncation(plane.body | open_lungs(plane.image, plane.body, field), field.edge)
    return FieldCut(field, share, cut, truncation(plane.body, field_of_view(*plane.body.shape).edge)[0])


def _cut(view: SliceView) -> FieldCut | None:
    plane, cut = view.once(ct_slice), view.once(field_cut)
    if plane is None or cut is None:
        return None
    field_mm = cut.field.diameter_px * plane.spacing_mm
    is_filled = max(cut.share, cut.of_circle) > CHOSEN_SHARE or field_mm < SMALLEST_FIELD_MM
    return None if is_filled and field_mm < SMALL_FIELD_MM and not cut.field.padded else cut


def _share(view: SliceView) -> float | None:
    cut = view.once(_cut)
    return None if cut is None else cut.share


def _mask(view: SliceView) -> Mask | None:
    cut = view.once(_cut)
    return cut.touching if cut is not None and cut.touching.any() else None


TRUNCATION = ct_measure(
    name="truncation",
    unit="%",
    label="Truncation",
    summary="Largest share of the edge of the field of view that the body touches on a slice.",
    definition="Share of the outermost 3 pixels of the field of view's circle that the body covers, on the worst "
    "slice; of a smaller circle if padding surrounds it, of the whole image if the body reaches out of the circle. The "
    "body is the largest connected part above −300 HU, with lungs that the edge opens (median above −950 HU).",
    validity="Slices of a field of 300 mm or more, and smaller ones down to 150 mm that the body fills at up to half "
    "of their edge: others were chosen so, for a spine, a jaw or an ear.",
    tolerance="Within 1 of drawn bodies.",
    agreement=1,
    proof="The arc of the circle that a drawn body covers, by its geometry.",
    decimals=0,
    rank=450,
    each=_share,
    take=worst,
    along="alone",
    mask=_mask,
    concern="The body is larger than the field of view, so a part of it is missing, and values near "
    "the edge are wrong.",
)
