"""Noise and streaks in the air around the patient of a CT series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.series.ct_body import CT, air_ring, ct_slice, window_mean
from miqa_node.stages.measure.series_view import SeriesView, SliceView

SECTION = "CT and MR series"


def _deviation(view: SliceView) -> float | None:
    plane, ring = view.once(ct_slice), view.once(air_ring)
    return None if plane is None or ring is None else float(plane.image[ring].std())


def _averaged_deviation(view: SliceView) -> float | None:
    ring = view.once(air_ring)
    return None if ring is None else float(view.once(window_mean)[ring].std())


def middle(_: SeriesView | None, parts: Sequence[float]) -> float | None:
    """The median over all slices.

    >>> middle(None, [4.0, 9.0, 5.0])
    5.0
    """
    return float(np.median(parts)) if parts else None


def worst(_: SeriesView | None, parts: Sequence[float]) -> float | None:
    """The largest value of all slices.

    >>> worst(None, [4.0, 9.0, 5.0])
    9.0
    """
    return float(np.max(parts)) if parts else None


AIR_NOISE = SeriesMeasure(
    name="air_noise",
    unit="[hnsf'U]",
    label="Noise in air",
    code="AIR_NOISE",
    summary="Median over slices of the standard deviation of air.",
    definition="Median over slices of the standard deviation of the air 5 to 40 mm from the skin.",
    section=SECTION,
    rank=420,
    modalities=CT,
    each=_deviation,
    take=middle,
)
STREAK_INDEX = SeriesMeasure(
    name="streak_index",
    unit="[hnsf'U]",
    label="Streak index",
    code="STREAK_INDEX",
    summary="Largest standard deviation of 6 mm means of the air around the body.",
    definition="The same after averaging over 6 mm, of the worst slice: what averaging does not remove is "
    "structure, mostly streaks. Own definition; scanners that cut values at −1024 HU hide half of it.",
    section=SECTION,
    rank=430,
    modalities=CT,
    each=_averaged_deviation,
    take=worst,
)
