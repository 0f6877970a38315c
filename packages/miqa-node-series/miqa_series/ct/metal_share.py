"""How much of the body is metal on a CT series, and where."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.stages.measure.series_view import Mask, SeriesView, SliceView
from miqa_series.ct.body import ct_measure, ct_slice

METAL_HU = 3000.0
MIN_METAL_PX = 4


def _metal(view: SliceView) -> Mask | None:
    plane = view.once(ct_slice)
    return None if plane is None else (plane.image > METAL_HU) & plane.body


def _pixels(view: SliceView) -> tuple[int, int] | None:
    plane, metal = view.once(ct_slice), view.once(_metal)
    return None if plane is None or metal is None else (int(metal.sum()), int(plane.body.sum()))


def _mask(view: SliceView) -> Mask | None:
    metal = view.once(_metal)
    return metal if metal is not None and metal.sum() >= MIN_METAL_PX else None


def share(_: SeriesView | None, parts: Sequence[tuple[int, int]]) -> float | None:
    """In percent, of (metal, body) pixels of each slice.

    >>> share(None, [(1, 100), (3, 100)])
    2.0
    """
    metal, body = sum(one[0] for one in parts), sum(one[1] for one in parts)
    return 100.0 * metal / body if body else None


METAL_SHARE = ct_measure(
    name="metal_share",
    unit="%",
    label="Metal",
    summary="Share of the body above 3000 HU.",
    definition="Body pixels above 3000 HU.",
    validity="Bodies in the field; a scanner that cuts values off at 3000 HU or below hides metal.",
    tolerance="Within 2 % of the share of a drawn prosthesis.",
    agreement_share=0.02,
    proof="Pixels of a drawn prosthesis in those of an ellipse.",
    decimals=2,
    rank=440,
    each=_pixels,
    take=share,
    along="alone",
    mask=_mask,
    concern="Metal throws dark and bright streaks over the tissue around it. If it can be taken off, repeat; if not, "
    "metal artefact reduction or another plane may help.",
)
