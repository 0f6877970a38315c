"""Geometry of the slices of a series: number, distances, gaps and extent, from headers alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.measure.base import NOT_SHOWN, NoNumber, counted_slices, stack_measure
from miqa_node.stages.measure.series_view import SeriesView
from miqa_node.stages.measure.where import place_between, slice_near
from miqa_series.stacks.places import MIN_PLACES, SlicePlaces, same_place_mm, series_places, volume_without


def _distance(series: SeriesView, _: Sequence[Any]) -> float | None:
    places = series.once(series_places)
    return None if places is None else places.usual_mm


def _gaps(series: SeriesView, _: Sequence[Any]) -> Measurement | None:
    places = series.once(series_places)
    if places is None or len(places.places_mm) < MIN_PLACES:
        return None
    count = len(places.gaps_mm) + len(places.fewer_mm)
    return Measurement("slice_gaps", float(count), "1", _where(series, places))


def _where(series: SeriesView, places: SlicePlaces) -> str:
    if places.largest >= 0:
        before, after = places.places_mm[places.largest : places.largest + 2].tolist()
        return place_between(series, places.largest + 1, before, after)
    if not places.fewer_mm:
        return ""
    first = places.fewer_mm[0]
    volume = volume_without(series, first, same_place_mm(places.usual_mm))
    if volume:
        place = Phrase("of {volume}, the first at {place} mm", volume=volume, place=f"{first:.4g}")
    else:
        place = Phrase("of one of several volumes, the first at {place} mm", place=f"{first:.4g}")
    other = series.slices[slice_near(series, first)].instance_number
    if series.of_frames or not other:
        return place
    return Phrase("{place}, where another has Instance Number {instance}", place=place, instance=str(other))


def _largest(series: SeriesView, _: Sequence[Any]) -> float | NoNumber | None:
    places = series.once(series_places)
    if places is None or len(places.places_mm) < MIN_PLACES:
        return NoNumber(NOT_SHOWN)
    return float(places.gaps_mm.max()) if len(places.gaps_mm) else None


def coverage_mm(series: SeriesView) -> float | None:
    """Extent along the normal; None if the slices have no places.

    >>> from types import SimpleNamespace as Some
    >>> from miqa_series.stacks.places import places_of
    >>> coverage_mm(Some(once=lambda _: places_of([0.0, 5.0, 10.0, 25.0])))
    30.0
    """
    places = series.once(series_places)
    return None if places is None else float(places.places_mm[-1] - places.places_mm[0] + places.usual_mm)


SLICE_COUNT = counted_slices(
    name="slice_count",
    label="Number of slices",
    code="SLICES",
    summary="Slices of the series that lie in one stack.",
    definition="Slices of the stack; of an enhanced object its frames.",
    validity="Any stack.",
    tolerance="Slices are counted, so it is exact.",
    rank=300,
    take=lambda series, _: float(len(series.slices)),
)
SLICES_UNREADABLE = counted_slices(
    name="slices_unreadable",
    label="Unreadable slices",
    code="UNREADABLE",
    summary="Slices whose pixels could not be decoded.",
    definition="Slices that could not be decoded. They take no part in the rest; the issue `undecodable_slices` "
    "gives the reason of the first.",
    validity="Any stack.",
    tolerance="Slices are counted, so it is exact.",
    agreement=0.5,
    proof="Damaged files in a drawn stack, counted.",
    rank=600,
    take=lambda series, _: float(series.unreadable),
    concern="What these slices show is missing from the series for everybody who opens it. Send it again.",
)
SLICE_DISTANCE = stack_measure(
    name="slice_distance",
    unit="mm",
    label="Distance of slices",
    summary="Median distance of neighbouring slices along their normal.",
    definition="Median distance of neighbouring slices along their normal (Image Position and Orientation "
    "(Patient)); of rounded positions the mean of the distances that differ from it by one unit of the last digit. "
    "Several echoes or phases at one place count once.",
    validity="Stacks whose slices have a position and an orientation. Left out of a single slice.",
    tolerance="As exact as the positions in the header.",
    decimals=2,
    rank=310,
    take=_distance,
)
SLICE_GAPS = stack_measure(
    name="slice_gaps",
    unit="1",
    report_unit="{gaps}",
    label="Gaps between slices",
    summary="Neighbours further apart than 110 % of the usual distance, and places that one of several volumes lacks.",
    definition="Neighbours that are further apart than 110 % of that distance and of the slice thickness, and by more "
    "than rounding explains (a unit of the last written digit, 0.1 mm at least, a quarter of it at most), or, "
    "in a stack with four of five distances equal, by a whole multiple, or by as many times as Instance Numbers are "
    "missing. Of several volumes (phases, echoes, b-values) also each place with fewer slices than most, if four of "
    "five places have as many. A slice of another size than the stack fills its place, but takes no part in the rest; "
    "the issue `slice_sizes_differ` says so.",
    validity="Stacks of four places or more. A distance that occurs three times in a row belongs to a part of the "
    "protocol with a spacing of its own, unless Instance Numbers are missing there. A slice that is lost at an end is "
    "not seen, nor are ends that only a part of the volumes covers.",
    tolerance="Found in all 6 stacks with gaps of the [trial](../explanation/series.md#how-well-faults-are-found), and "
    "in none without.",
    agreement=0.5,
    proof="Slices left out of a drawn stack, counted.",
    decimals=0,
    rank=320,
    take=_gaps,
    concern="A slice may be missing or was not sent: anatomy there is not seen. Send the series again or check it at "
    "the scanner.",
)
COVERAGE = stack_measure(
    name="coverage",
    unit="mm",
    label="Coverage",
    summary="Extent of the stack along its normal.",
    definition="From the first slice to the last plus one distance.",
    validity="Stacks whose slices have a position and an orientation.",
    tolerance="As exact as the positions in the header.",
    decimals=1,
    rank=330,
    take=lambda series, _: coverage_mm(series),
)
SLICE_GAP_LARGEST = stack_measure(
    name="slice_gap_largest",
    unit="mm",
    label="Largest gap",
    code="LARGEST_GAP",
    summary="Largest distance of neighbouring slices.",
    definition="The largest of the distances of `slice_gaps`.",
    validity="Stacks with a gap.",
    tolerance="As exact as the positions in the header.",
    is_of_fault=True,
    left_out=Phrase("No gap was found."),
    decimals=1,
    rank=340,
    take=_largest,
)
