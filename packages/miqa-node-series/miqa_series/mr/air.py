"""Artefacts in the air around the patient of an MR series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.stages.measure.series_view import Mask, SeriesView, SliceView, Values
from miqa_series.mr.patient import mr_measure, mr_slice

CUT_OFF = 10.0
"""Standard deviations above the median of air from which a pixel is an artefact, as in MRIQC."""


class AirCount(NamedTuple):
    """Pixels of air that are artefacts, and all pixels of air."""

    artefacts: int
    air: int


def artefacts(values: Values, air: Mask) -> Mask:
    """Air that is far brighter than noise, without single pixels.

    >>> values = np.random.default_rng(0).rayleigh(2.0, (32, 32)).astype(np.float32); values[4:8, 4:8] = 90.0
    >>> int(artefacts(values, np.ones((32, 32), bool)).sum())
    16
    """
    level = float(np.median(values[air]))
    deviation = float(np.median(np.abs(values[air] - level))) / 0.6745
    bright = ((values > level + CUT_OFF * deviation) & air).astype(np.uint8)
    whole: Mask = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
    return whole


def _counts(view: SliceView) -> AirCount | None:
    plane = view.once(mr_slice)
    if plane is None or not (~plane.near).any():
        return None
    air = ~plane.near
    if float(np.median(plane.values[air])) <= 0.0:
        return None  # blanked: there is no noise to compare with
    return AirCount(int(np.count_nonzero(artefacts(plane.values, air))), int(np.count_nonzero(air)))


def quality_index(_: SeriesView | None, parts: Sequence[AirCount]) -> float | None:
    """Artefacts per air.

    >>> quality_index(None, [AirCount(1, 60), AirCount(3, 140)])
    0.02
    """
    air = sum(one.air for one in parts)
    return sum(one.artefacts for one in parts) / air if air else None


MR_QI1 = mr_measure(
    name="mr_qi1",
    unit="1",
    label="Artefacts in air",
    summary="Share of the air that is far brighter than its noise.",
    definition="Pixels of air more than 10 standard deviations (by the median absolute deviation) above its median, "
    "without single ones, per all pixels of air: Mortamet's QI₁ (Magn Reson Med 62, 2009) with MRIQC's cut-off, slice "
    "by slice and in all air, not only above the head. Motion and ghosts raise it.",
    validity="Series with air in the field that the scanner has not blanked.",
    tolerance="Within 5 % of the share of a drawn artefact; below 0.0001 without.",
    agreement_share=0.05,
    proof="A drawn artefact in air, by its area.",
    decimals=4,
    rank=545,
    each=_counts,
    take=quality_index,
    along="alone",
)
