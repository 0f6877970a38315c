"""The dose of a CT series, as its headers give it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from miqa_node.core.domain.codes import Code
from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import STACKS, SeriesMeasure
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_series.stacks.stack import coverage_mm


def _dose(view: SliceView) -> float | None:
    return view.header.ctdi_vol_mgy


def mean(_: SeriesView | None, parts: Sequence[float]) -> float | None:
    """Mean of all slices that have a dose.

    >>> mean(None, [8.0, 10.0])
    9.0
    """
    return float(np.mean(parts)) if parts else None


def dose_length(ctdi_vol_mgy: float | None, length_mm: float | None) -> float | None:
    """Dose-length product in mGy·cm.

    >>> dose_length(8.0, 300.0)
    240.0
    """
    return None if ctdi_vol_mgy is None or length_mm is None else ctdi_vol_mgy * length_mm / 10.0


_measure = partial(SeriesMeasure, section=STACKS, modalities=("CT",), needs="header", each=_dose)
CTDI_VOL = _measure(
    name="ctdi_vol",
    unit="mGy",
    least_spread=0.05,
    least_spread_share=0.02,
    scale=POSITIVE,
    label="Mean CTDIvol",
    code=Code("113830", "DCM", "Mean CTDIvol"),
    summary="Mean of CTDIvol (0018,9345).",
    validity="Series whose header has CTDIvol. Dose reports (X-Ray Radiation Dose SR) are not read, so a series whose "
    "scanner writes the dose into them alone has none.",
    tolerance="As the header says.",
    decimals=1,
    rank=460,
    take=mean,
    along="alone",
)
DLP = _measure(
    name="dlp",
    unit="mGy.cm",
    label="Dose-length product",
    code=Code("113838", "DCM", "DLP"),
    summary="Mean CTDIvol times the coverage.",
    definition="Mean CTDIvol (0018,9345) times `coverage` (AAPM Report 96).",
    validity="As `ctdi_vol`, with `coverage`. What the scanner irradiated before and after the slices is not in it, "
    "and a part of a reconstruction gives a part: the dose report of the examination (X-Ray Radiation Dose SR), which "
    "is not read, is larger.",
    tolerance="As the header says; by how much it is below the dose report is not known.",
    decimals=0,
    rank=461,
    take=lambda series, parts: dose_length(mean(series, parts), coverage_mm(series)),
)
