"""Places of a stack that are taken twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.nearly import SAME_MM, place_tolerance_mm, same_places
from miqa_node.stages.measure.base import counted_slices
from miqa_node.stages.measure.series_view import SeriesView
from miqa_node.stages.measure.volumes import volumes_of
from miqa_node.stages.measure.where import as_called, slice_near

MIN_SLICES = 4
CLOSE_SHARE = 0.5
"""Places closer than this share of the usual distance lie over each other."""


def overlaps(places_mm: Sequence[float], unit_mm: float = SAME_MM) -> list[float]:
    """Places that hold more slices than is usual in the stack, or that lie too close to the next; in mm.

    >>> overlaps([0.0, 5.0, 10.0, 10.0, 15.0, 20.0]), overlaps([0.0, 0.0, 5.0, 5.0, 10.0, 10.0])
    ([10.0], [])
    >>> overlaps([0.0, 5.0, 10.0, 12.0, 15.0, 20.0])
    [10.0]
    """
    ordered = np.sort(np.asarray(places_mm, np.float64))
    _, first, counts = np.unique(same_places(ordered.tolist(), unit_mm), return_index=True, return_counts=True)
    places = ordered[first]
    if len(places) < MIN_SLICES:
        return []
    usual, often = float(np.median(np.diff(places))), float(np.median(counts))
    close = np.append(np.diff(places) < CLOSE_SHARE * usual - place_tolerance_mm(places.tolist(), unit_mm), [False])
    return [float(one) for one in places[close | (counts > often)]]


def _overlaps(series: SeriesView, _: Sequence[Any]) -> Measurement | None:
    if any(one.place_mm is None for one in series.slices):
        return None
    slices = series.slices
    unit_mm = min((one.position_unit_mm for one in slices), default=SAME_MM)
    if len(set(same_places([one.place_mm or 0.0 for one in slices], unit_mm).tolist())) < MIN_SLICES:
        return None
    groups = series.once(volumes_of).told
    doubles = [place for group in groups for place in overlaps([slices[one].place_mm or 0.0 for one in group], unit_mm)]
    return Measurement("slice_overlaps", float(len(doubles)), "1", _where(series, doubles[0]) if doubles else "")


def _where(series: SeriesView, place_mm: float) -> str:
    first = Phrase("the first at {place} mm", place=f"{place_mm:.4g}")
    return as_called(series, first, slice_near(series, place_mm))


SLICE_OVERLAPS = counted_slices(
    name="slice_overlaps",
    label="Places taken twice",
    summary="Places of the stack that hold more slices than the others, or lie too close to the next.",
    definition="Places along the normal, of slices of one b-value, echo, phase and component, that hold more slices "
    "than the median place, or lie closer to the next than half of the usual distance.",
    validity="Stacks of four places or more, whose slices have a position and an orientation. Series of several "
    "phases, whose places are all taken as often, have none.",
    tolerance="Found in all 6 stacks with a doubled slice of the "
    "[trial](../explanation/series.md#how-well-faults-are-found), and in none without.",
    agreement=0.5,
    proof="Slices doubled in a drawn stack, counted.",
    rank=342,
    take=_overlaps,
    concern="Slices lie over each other: one came twice, or two scans are in one series. What is measured across "
    "slices is wrong.",
)
