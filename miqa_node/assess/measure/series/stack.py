"""How the slices of a series lie: their number, distances, gaps and extent. Read from headers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.assess.measure.base import SeriesMeasure
from miqa_node.assess.measure.series_view import SeriesView

SECTION = "CT and MR series"
GAP_TOLERANCE = 0.1
"""Two neighbours are as far apart as all others when they are within this share of the median distance."""


@dataclass(frozen=True, slots=True)
class SlicePlaces:
    """``places_mm`` along the normal, ascending and each once; ``usual_mm`` is their median distance."""

    places_mm: NDArray[np.float64]
    usual_mm: float
    gaps_mm: NDArray[np.float64]


def places_of(places_mm: Sequence[float | None]) -> SlicePlaces | None:
    """None unless every slice has a place, and there are two different ones.

    >>> found = places_of([0.0, 5.0, 10.0, 25.0])
    >>> found.usual_mm, found.gaps_mm.tolist()
    (5.0, [15.0])
    """
    known = np.array([place for place in places_mm if place is not None])
    if len(known) != len(places_mm) or len(known) < 2:
        return None
    places = np.unique(np.round(np.sort(known), 3))  # several echoes or phases lie at one place
    if len(places) < 2:
        return None
    distances = np.diff(places)
    usual = float(np.median(distances))
    return SlicePlaces(places, usual, distances[distances > usual * (1.0 + GAP_TOLERANCE)])


def _places(series: SeriesView) -> SlicePlaces | None:
    return places_of([one.place_mm for one in series.slices])


def _count(series: SeriesView, _: Sequence[Any]) -> float:
    return float(len(series.slices))


def _unreadable(series: SeriesView, _: Sequence[Any]) -> float:
    return float(series.unreadable)


def _distance(series: SeriesView, _: Sequence[Any]) -> float | None:
    places = series.once(_places)
    return None if places is None else places.usual_mm


def _gaps(series: SeriesView, _: Sequence[Any]) -> float | None:
    places = series.once(_places)
    return None if places is None else float(len(places.gaps_mm))


def _largest(series: SeriesView, _: Sequence[Any]) -> float | None:
    places = series.once(_places)
    return None if places is None or not len(places.gaps_mm) else float(places.gaps_mm.max())


def _coverage(series: SeriesView, _: Sequence[Any]) -> float | None:
    places = series.once(_places)
    return None if places is None else float(places.places_mm[-1] - places.places_mm[0] + places.usual_mm)


SLICE_COUNT = SeriesMeasure(
    name="slice_count",
    unit="1",
    report_unit="{slices}",
    label="Number of slices",
    code="SLICES",
    summary="Slices of the series that lie in one stack.",
    definition="Slices of the stack; of an enhanced object its frames.",
    section=SECTION,
    rank=300,
    take=_count,
)
SLICES_UNREADABLE = SeriesMeasure(
    name="slices_unreadable",
    unit="1",
    report_unit="{slices}",
    label="Unreadable slices",
    code="UNREADABLE",
    summary="Slices whose pixels could not be decoded.",
    definition="Slices that could not be decoded. They take no part in the rest; the issue `undecodable_slices` "
    "gives the reason of the first.",
    section=SECTION,
    rank=600,
    take=_unreadable,
)
SLICE_DISTANCE = SeriesMeasure(
    name="slice_distance",
    unit="mm",
    label="Distance of slices",
    code="SLICE_DISTANCE",
    summary="Median distance of neighbouring slices along their normal.",
    definition="Median distance of neighbouring slices along their normal (Image Position and Orientation "
    "(Patient)). Several echoes or phases at one place count once.",
    section=SECTION,
    rank=310,
    take=_distance,
)
SLICE_GAPS = SeriesMeasure(
    name="slice_gaps",
    unit="1",
    report_unit="{gaps}",
    label="Gaps between slices",
    code="SLICE_GAPS",
    summary="Neighbours further apart than 110 % of the median distance.",
    definition="Neighbours that are further apart than 110 % of that distance.",
    section=SECTION,
    rank=320,
    take=_gaps,
)
COVERAGE = SeriesMeasure(
    name="coverage",
    unit="mm",
    label="Coverage",
    code="COVERAGE",
    summary="Extent of the stack along its normal.",
    definition="From the first slice to the last plus one distance.",
    section=SECTION,
    rank=330,
    take=_coverage,
)
SLICE_GAP_LARGEST = SeriesMeasure(
    name="slice_gap_largest",
    unit="mm",
    label="Largest gap",
    code="LARGEST_GAP",
    summary="Largest distance of neighbouring slices.",
    definition="The largest of these distances; left out when there is no gap.",
    section=SECTION,
    rank=340,
    take=_largest,
)
