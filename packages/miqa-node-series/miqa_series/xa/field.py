"""The collimated field of a fluoroscopic image, and how much of it is saturated."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import PERCENT
from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.frames import usual_of
from miqa_node.stages.measure.series_view import SliceView

EVEN = 0.02
"""Of the range in the picture: what differs less from a corner is collimator."""
LEAST_SIDE_PX = 32
Stored = NDArray[np.integer]


class FieldParts(NamedTuple):
    """Of one frame, in percent: the field's share of the picture, and the saturated share of the field."""

    field: float
    saturated: float


def field_of(stored: Stored) -> NDArray[np.bool_]:
    """All but the even surroundings that touch a corner.

    >>> picture = np.zeros((64, 64), np.int32)
    >>> picture[16:48, 16:48] = np.arange(1024).reshape(32, 32) + 500
    >>> int(field_of(picture).sum())
    1024
    """
    values = stored.astype(np.float32)
    around = np.zeros(stored.shape, bool)
    step = EVEN * float(values.max() - values.min())
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        alike = (np.abs(values - values[corner]) <= step).astype(np.uint8)
        _, labels = cv2.connectedComponents(alike)
        around |= labels == labels[corner]
    return ~around


def field_parts(stored: Stored, stored_range: tuple[int, int]) -> FieldParts | None:
    """None if there is no field.

    >>> picture = np.zeros((64, 64), np.int32)
    >>> picture[16:48, 16:48] = np.arange(1024).reshape(32, 32) + 500
    >>> picture[16:32, 16:48] = 4095
    >>> field_parts(picture, (0, 4095))
    FieldParts(field=25.0, saturated=50.0)
    """
    field = field_of(stored)
    if min(stored.shape) < LEAST_SIDE_PX or not field.any():
        return None
    ends = (stored <= stored_range[0]) | (stored >= stored_range[1])
    return FieldParts(100.0 * float(field.mean()), 100.0 * float(ends[field].mean()))


def _part(view: SliceView) -> FieldParts | None:
    return field_parts(view.radiograph.stored, view.radiograph.stored_range)


_measure = partial(FramesMeasure, unit="%", section="Angiography and fluoroscopy", modalities=("XA", "RF"), each=_part)
XA_FIELD_SHARE = _measure(
    name="xa_field_share",
    label="Exposed field",
    code="XA_FIELD",
    summary="Share of the picture inside the collimator.",
    definition="Share of the picture without the even parts that touch its corners, within 2 % of the range of the "
    "picture; median over the frames. 100: nothing was collimated.",
    validity="Fields with an even collimator. A dark part of the body at the border is taken for one.",
    tolerance="Within 1 of a drawn field; 97 to 100 where nothing is collimated.",
    rank=930,
    take=usual_of(lambda one: one.field),
)
XA_SATURATED_SHARE = _measure(
    name="xa_saturated_share",
    least_spread=0.2,
    scale=PERCENT,
    label="Saturated part of the field",
    code="XA_SATURATED",
    summary="Share of the field at the end of the stored range.",
    definition="Pixels of the field at the lowest or highest value that Bits Stored allows: there is no detail. "
    "Median over the frames.",
    validity="Images whose Bits Stored is right. Direct beam beside the body raises it, too.",
    tolerance="Within 1 of a drawn share.",
    rank=931,
    take=usual_of(lambda one: one.saturated),
)
