"""Geometry of the slices of a series: number, distances, gaps and extent, from headers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.series_view import SeriesView

SECTION = "CT and MR series"
MIN_PLACES = 4
"""With fewer places there is no usual distance: the planes of a localizer have arbitrary positions."""
GAP_TOLERANCE = 0.1
"""A distance counts as usual if it differs from the median by no more than this share."""

REGULAR_SHARE = 0.8
"""A stack is regular if so many of its distances are equal."""


@dataclass(frozen=True, slots=True)
class SlicePlaces:
    """``places_mm`` along the normal, ascending, without duplicates; ``usual_mm`` is their median distance."""

    places_mm: NDArray[np.float64]
    usual_mm: float
    gaps_mm: NDArray[np.float64]
    largest: int = -1
    """Index in ``places_mm`` of the place before the largest gap; -1 if there is no gap."""


def places_of(places_mm: Sequence[float | None], thickness_mm: float | None = None) -> SlicePlaces | None:
    """None unless every slice has a place, and at least two places differ.

    A distance that occurs three times in a row, or is within the slice thickness, is not a gap but another part
    of the protocol: thin slices through the skull base and thick ones above it, or a localizer's few planes. In a
    regular stack of overlapping slices a whole multiple of the distance is one, although nothing between is unseen.

    >>> found = places_of([0.0, 5.0, 10.0, 25.0])
    >>> found.usual_mm, found.gaps_mm.tolist()
    (5.0, [15.0])
    >>> places_of([0.0, 2.0, 4.0, 6.0, 8.0, 15.0, 22.0, 29.0]).gaps_mm.tolist()
    []
    """
    positions = np.array([place for place in places_mm if place is not None])
    if len(positions) != len(places_mm) or len(positions) < 2:
        return None
    places = np.unique(np.round(np.sort(positions), 3))  # several echoes or phases share one place
    if len(places) < 2:
        return None
    distances = np.diff(places)
    usual = float(np.median(distances))
    wide = distances > usual * (1.0 + GAP_TOLERANCE)
    if len(places) < MIN_PLACES:
        wide[:] = False
    if thickness_mm is not None:
        wide &= (distances > thickness_mm * (1.0 + GAP_TOLERANCE)) | _left_out(distances, usual)
    gaps = wide & ~_own_spacing(distances)
    largest = int(np.where(gaps, distances, 0.0).argmax()) if gaps.any() else -1
    return SlicePlaces(places, usual, distances[gaps], largest)


def _left_out(distances: NDArray[np.float64], usual: float) -> NDArray[np.bool_]:
    """Whole multiples of the distance, if nearly all distances are equal: slices that a regular stack lacks."""
    times = distances / usual
    regular = np.abs(times - 1.0) <= GAP_TOLERANCE
    if regular.mean() < REGULAR_SHARE:
        return np.zeros(len(distances), bool)
    return (times > 1.5) & (np.abs(times - np.rint(times)) <= GAP_TOLERANCE)


def _own_spacing(distances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Positions where three or more distances in a row are equal."""
    repeated = np.zeros(len(distances), bool)
    for first in range(len(distances) - 2):
        run = distances[first : first + 3]
        if run.max() - run.min() <= GAP_TOLERANCE * run.min():
            repeated[first : first + 3] = True
    return repeated


def _places(series: SeriesView) -> SlicePlaces | None:
    thickness_mm = max((one.thickness_mm for one in series.slices if one.thickness_mm is not None), default=None)
    own = [one.place_mm for one in series.slices]
    places = places_of(own, thickness_mm)
    if places is None or not len(places.gaps_mm):
        return places
    first, last = places.places_mm[[0, -1]]
    between = [one.place_mm for one in series.others if one.place_mm is not None and first < one.place_mm < last]
    return places_of([*own, *between], thickness_mm)


def _count(series: SeriesView, _: Sequence[Any]) -> float:
    return float(len(series.slices))


def _unreadable(series: SeriesView, _: Sequence[Any]) -> float:
    return float(series.unreadable)


def _distance(series: SeriesView, _: Sequence[Any]) -> float | None:
    places = series.once(_places)
    return None if places is None else places.usual_mm


def _gaps(series: SeriesView, _: Sequence[Any]) -> Measurement | None:
    places = series.once(_places)
    if places is None:
        return None
    where = "" if places.largest < 0 else _between(places)
    return Measurement("slice_gaps", float(len(places.gaps_mm)), "1", where)


def _between(places: SlicePlaces) -> str:
    before, after = places.places_mm[places.largest : places.largest + 2]
    return f"the largest, {after - before:.4g} mm, between slices {places.largest + 1} and {places.largest + 2}"


def _largest(series: SeriesView, _: Sequence[Any]) -> float | None:
    places = series.once(_places)
    return None if places is None or not len(places.gaps_mm) else float(places.gaps_mm.max())


def coverage_mm(series: SeriesView) -> float | None:
    """Extent along the normal; None if the slices have no places."""
    places = series.once(_places)
    return None if places is None else float(places.places_mm[-1] - places.places_mm[0] + places.usual_mm)


def _coverage(series: SeriesView, _: Sequence[Any]) -> float | None:
    return coverage_mm(series)


SLICE_COUNT = SeriesMeasure(
    name="slice_count",
    unit="1",
    report_unit="{slices}",
    label="Number of slices",
    code="SLICES",
    summary="Slices of the series that lie in one stack.",
    definition="Slices of the stack; of an enhanced object its frames.",
    validity="Any stack.",
    tolerance="Slices are counted, so it is exact.",
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
    validity="Any stack.",
    tolerance="Slices are counted, so it is exact.",
    section=SECTION,
    rank=600,
    take=_unreadable,
    concern="What these slices show is missing from the series for everybody who opens it. Send it again.",
)
SLICE_DISTANCE = SeriesMeasure(
    name="slice_distance",
    unit="mm",
    label="Distance of slices",
    code="SLICE_DISTANCE",
    summary="Median distance of neighbouring slices along their normal.",
    definition="Median distance of neighbouring slices along their normal (Image Position and Orientation "
    "(Patient)). Several echoes or phases at one place count once.",
    validity="Stacks whose slices have a position and an orientation. Left out of a single slice.",
    tolerance="As exact as the positions in the header.",
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
    definition="Neighbours that are further apart than 110 % of that distance and of the slice thickness, or, in a "
    "stack with four of five distances equal, by a whole multiple. A slice of another size than the stack fills its "
    "place, but takes no part in the rest; the issue `slice_sizes_differ` says so.",
    validity="Stacks of four places or more; fewer have no gap. A distance that occurs three times in a row belongs to "
    "a part of the protocol with a spacing of its own and is not a gap. A slice that is lost at an end is not seen.",
    tolerance="Found in all 6 stacks with gaps of the [trial](../explanation/series.md#how-well-faults-are-found), and "
    "in none without.",
    section=SECTION,
    rank=320,
    take=_gaps,
    concern="A slice may be missing or was not sent: anatomy there is not seen. Send the series again or check it at "
    "the scanner.",
)
COVERAGE = SeriesMeasure(
    name="coverage",
    unit="mm",
    label="Coverage",
    code="COVERAGE",
    summary="Extent of the stack along its normal.",
    definition="From the first slice to the last plus one distance.",
    validity="Stacks whose slices have a position and an orientation.",
    tolerance="As exact as the positions in the header.",
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
    definition="The largest of the distances of `slice_gaps`.",
    validity="Stacks with a gap.",
    tolerance="As exact as the positions in the header.",
    section=SECTION,
    rank=340,
    take=_largest,
)
