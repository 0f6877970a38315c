"""How much of the patient the field of view of a CT series cuts off, and where."""

from __future__ import annotations

import numpy as np

from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.series.air_noise import worst
from miqa_node.stages.measure.series.ct_body import CT, ct_slice, field_of_view
from miqa_node.stages.measure.series_view import Mask, SliceView

SMALL_FIELD_MM = 300.0
CHOSEN_SHARE = 50.0
"""A small field with more body than this (%) along its edge is intended: a spine, a heart, an ear."""


def truncation(body: Mask) -> tuple[float, Mask]:
    """(percentage of the field's circle that the body touches, the touching pixels).

    >>> import numpy as np
    >>> round(truncation(np.ones((64, 64), bool))[0])
    100
    """
    field = field_of_view(*body.shape)
    cut = body & field.edge
    return 100.0 * float(np.count_nonzero(cut)) / max(1, field.edge_px), cut


def _cut(view: SliceView) -> tuple[float, Mask] | None:
    plane = view.once(ct_slice)
    if plane is None:
        return None
    cut = truncation(plane.body)
    is_small = min(plane.body.shape) * plane.spacing_mm < SMALL_FIELD_MM
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
    "slice. The body is the largest connected part above −300 HU. Slices of a field below 300 mm that the body "
    "fills at more than half of its edge take no part: the field was chosen so, for a spine or an ear.",
    section="CT and MR series",
    rank=450,
    modalities=CT,
    each=_share,
    take=worst,
    mask=_mask,
    concern="The body is larger than the field of view, so a part of it is missing, and values near "
    "the edge are wrong.",
)
