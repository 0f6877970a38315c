"""Where the border of a mammogram cuts the breast, and whether its chest wall is where the header says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.instance import Header
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.frames import usual
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_series.mg.breast import frame_breast

WALL = {"A": True, "P": False}
"""Whether the chest wall is at the left, by where the rows of the picture point to (PS3.3 C.7.6.1.1.1)."""


class BreastBorder(NamedTuple):
    """Share of each end of the picture that the breast touches, in percent, and the side of the wall."""

    top: float
    bottom: float
    front: float
    wall_left: bool


def contact(mask: NDArray[np.bool_]) -> tuple[float, float, float]:
    """How much of the top, the bottom and the side in front the breast touches, in percent.

    >>> contact(np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool))
    (50.0, 75.0, 0.0)
    """
    top, bottom, front = (100.0 * float(end.mean()) for end in (mask[0], mask[-1], mask[:, -1]))
    return top, bottom, front


def is_oblique(header: Header) -> bool:
    """Whether View Position says so."""
    return any(word in header.view_position.upper() for word in ("MLO", "LMO", "OBLIQUE"))


PARTS = frozenset({"Spot compression", "Magnification", "Partial view", "Axillary tail", "Axillary tissue", "Cleavage"})
"""Modifiers of views that show a part of the breast on purpose: its outline is not in the picture."""
WORDS = ("STEREO", "BIOPSY", "SPOT", "MAGNIF", "SPECIMEN", "GALACTO", "DUCTO")
"""The same, as Image Type, Protocol Name and View Position tell it where no modifier does."""
WHOLE_MM = 130.0
"""A picture whose sides are both shorter has room for a part of a breast only: stereotactic units show 50 × 50 mm."""


def only_a_part(header: Header) -> str:
    """The reason why the outline of the breast means nothing; empty if the whole breast should be seen."""
    if header.view_modifier in PARTS:
        return Phrase("The view shows a part of the breast ({modifier}).", modifier=Phrase(header.view_modifier))
    words = " ".join((*header.image_type, header.protocol_name or "", header.view_position)).upper()
    if any(word in words for word in WORDS):
        return Phrase("The header says that a part of the breast is shown, or tissue outside the body.")
    if header.pixel_spacing_mm and max(field_mm(header)) < WHOLE_MM:
        return Phrase("The picture is too small to show a whole breast.")
    return ""


def field_mm(header: Header) -> tuple[float, float]:
    """Height and width of the picture; (0, 0) without a spacing."""
    rows_mm, columns_mm = header.pixel_spacing_mm or (0.0, 0.0)
    return header.rows * rows_mm, header.columns * columns_mm


def _part(view: SliceView) -> BreastBorder | None:
    breast = view.once(frame_breast)
    return None if breast is None else BreastBorder(*contact(breast.mask), breast.wall_left)


def _contact(series: SeriesView, parts: Sequence[BreastBorder]) -> float | None:
    oblique = is_oblique(series.header)
    return usual([one.front if oblique else max(one.top, one.bottom, one.front) for one in parts])


def _agrees(series: SeriesView, parts: Sequence[BreastBorder]) -> float | None:
    rows = (series.header.patient_orientation or ("",))[0][:1]
    return float(WALL[rows] == parts[0].wall_left) if parts and rows in WALL else None


_measure = partial(FramesMeasure, section="Mammography", modalities=("MG",), each=_part)
MG_BORDER_CONTACT = _measure(
    name="mg_border_contact",
    unit="%",
    label="Breast cut by the border",
    code="MG_BORDER",
    summary="Share of an end of the picture that the breast touches, other than at the chest wall.",
    definition="Largest share of the top, the bottom and the side opposite the chest wall that the breast touches. The "
    "outer 1.5 % of the picture take no part. 0: nothing is cut off.",
    validity="Of oblique views (View Position) only the side counts, since the armpit and the fold below the breast "
    "reach the ends. Labels and bright edges of films raise it. Left out of spot, magnified, stereotactic and other "
    "views of a part.",
    tolerance="Within 4 of the share of a drawn breast.",
    rank=810,
    excludes=only_a_part,
    take=_contact,
)
MG_WALL_AGREES = _measure(
    name="mg_wall_agrees",
    unit="1",
    label="Chest wall where the header says",
    summary="1 if the chest wall is at the side that Patient Orientation says, else 0.",
    definition="1 if the chest wall is at the side of the picture that Patient Orientation (0020,0020) says: at the "
    "left where rows point anterior, at the right where they point posterior; else 0: the picture was turned.",
    validity="Images whose header has Patient Orientation, and whose breast is brighter than the air.",
    tolerance="Right on drawn breasts, turned or not; on real detectors not known.",
    rank=811,
    take=_agrees,
)
