"""Brightness that jumps from slice to slice of an MR series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.assess.measure.base import SeriesMeasure
from miqa_node.assess.measure.series.mr_patient import MR, magnitude
from miqa_node.assess.measure.series_view import SeriesView, SliceView


def _mean(view: SliceView) -> float:
    return float(view.once(magnitude).mean())


def largest_jump(means: Sequence[float]) -> float:
    """How far a slice's mean lies from that of its two neighbours at most, in percent of the median.

    >>> largest_jump([10.0, 10.0, 12.0, 10.0, 10.0])
    20.0
    """
    values = np.array(means)
    expected = (values[:-2] + values[2:]) / 2.0
    return 100.0 * float(np.abs(values[1:-1] - expected).max() / np.median(values))


def _jump(_: SeriesView, parts: Sequence[float]) -> float | None:
    return largest_jump(parts) if len(parts) > 2 and np.median(parts) > 0.0 else None


SLICE_JUMP = SeriesMeasure(
    name="slice_jump",
    unit="%",
    label="Jump between slices",
    code="SLICE_JUMP",
    summary="Largest deviation of a slice's mean signal from that of its neighbours.",
    definition="Largest distance of a slice's mean from the mean of its two neighbours, per median of all means (MR "
    "only).",
    section="CT and MR series",
    rank=510,
    modalities=MR,
    each=_mean,
    take=_jump,
)
