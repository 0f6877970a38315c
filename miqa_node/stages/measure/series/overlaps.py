"""Places of a stack that are taken twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.series_view import SeriesView
from miqa_node.stages.measure.slices import Slice

SECTION = "CT and MR series"
MIN_SLICES = 4
CLOSE_SHARE = 0.5
"""Places closer than this share of the usual distance lie over each other."""


def overlaps(places_mm: Sequence[float]) -> list[float]:
    """Places that hold more slices than is usual in the stack, or that lie too close to the next; in mm.

    >>> overlaps([0.0, 5.0, 10.0, 10.0, 15.0, 20.0]), overlaps([0.0, 0.0, 5.0, 5.0, 10.0, 10.0])
    ([10.0], [])
    >>> overlaps([0.0, 5.0, 10.0, 12.0, 15.0, 20.0])
    [10.0]
    """
    counts = Counter(round(place, 2) for place in places_mm)
    places = np.array(sorted(counts))
    if len(places) < MIN_SLICES:
        return []
    usual, often = float(np.median(np.diff(places))), float(np.median(list(counts.values())))
    close = np.append(np.diff(places) < CLOSE_SHARE * usual, [False])
    return [float(place) for place, near in zip(places, close, strict=True) if near or counts[float(place)] > often]


def _contrasts(slices: Sequence[Slice]) -> list[list[float]]:
    groups: dict[object, list[float]] = {}
    for one in slices:
        place = one.place_mm
        if place is not None:
            groups.setdefault(one.contrast, []).append(place)
    return list(groups.values())


def _overlaps(series: SeriesView, _: Sequence[Any]) -> Measurement | None:
    if any(one.place_mm is None for one in series.slices):
        return None
    if len({round(one.place_mm or 0.0, 2) for one in series.slices}) < MIN_SLICES:
        return None
    doubles = [place for places in _contrasts(series.slices) for place in overlaps(places)]
    where = Phrase("the first at {place} mm", place=f"{doubles[0]:.4g}") if doubles else ""
    return Measurement("slice_overlaps", float(len(doubles)), "1", where)


SLICE_OVERLAPS = SeriesMeasure(
    name="slice_overlaps",
    unit="1",
    report_unit="{slices}",
    label="Places taken twice",
    code="SLICE_OVERLAPS",
    summary="Places of the stack that hold more slices than the others, or lie too close to the next.",
    definition="Places along the normal, of slices of one b-value, echo, phase and component, that hold more slices "
    "than the median place, or lie closer to the next than half of the usual distance.",
    validity="Stacks of four places or more, whose slices have a position and an orientation. Series of several "
    "phases, whose places are all taken as often, have none.",
    tolerance="Found in all 6 stacks with a doubled slice of the "
    "[trial](../explanation/series.md#how-well-faults-are-found), and in none without.",
    section=SECTION,
    rank=342,
    take=_overlaps,
    concern="Slices lie over each other: one came twice, or two scans are in one series. What is measured across "
    "slices is wrong.",
)
