"""The dose of a CT series, as its headers give it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.core.domain.codes import Code
from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.series.ct_body import CT
from miqa_node.stages.measure.series_view import SeriesView, SliceView


def _dose(view: SliceView) -> float | None:
    return view.header.ctdi_vol_mgy


def mean(_: SeriesView | None, parts: Sequence[float]) -> float | None:
    """Mean of all slices that have a dose.

    >>> mean(None, [8.0, 10.0])
    9.0
    """
    return float(np.mean(parts)) if parts else None


CTDI_VOL = SeriesMeasure(
    name="ctdi_vol",
    unit="mGy",
    label="Mean CTDIvol",
    code=Code("113830", "DCM", "Mean CTDIvol"),
    summary="Mean of CTDIvol (0018,9345).",
    section="CT and MR series",
    rank=460,
    modalities=CT,
    each=_dose,
    take=mean,
)
