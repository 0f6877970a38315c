"""Slices in words, as pages and reports say them: their rank, and what the header calls them."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.measure.series_view import SeriesView


def place_of_slice(series: SeriesView, position: int) -> str:
    """One slice.

    >>> from types import SimpleNamespace as Some
    >>> place_of_slice(Some(of_frames=False, slices=[Some(instance_number=7, location_mm=-12.5)]), 0)
    'slice 1 of 1, Instance Number 7, Slice Location -12.5 mm'
    """
    rank = Phrase("slice {number} of {count}", number=str(position + 1), count=str(len(series.slices)))
    return as_called(series, rank, position)


def as_called(series: SeriesView, place: str, position: int) -> str:
    """The place with Instance Number and Slice Location of this slice; frames of one object have neither."""
    one = series.slices[position]
    if series.of_frames or not one.instance_number:
        return place
    if one.location_mm is None:
        return Phrase("{place}, Instance Number {instance}", place=place, instance=str(one.instance_number))
    return Phrase(
        "{place}, Instance Number {instance}, Slice Location {location} mm",
        place=place,
        instance=str(one.instance_number),
        location=f"{one.location_mm:.1f}",
    )


def place_of_slices(series: SeriesView, positions: Sequence[int]) -> str:
    """How many slices, from which to which; positions ascend."""
    if len(positions) == 1:
        return place_of_slice(series, positions[0])
    first, last = min(positions), max(positions)
    ranks = Phrase(
        "{number} of {count} slices, from {first} to {last}",
        number=str(len(positions)),
        count=str(len(series.slices)),
        first=str(first + 1),
        last=str(last + 1),
    )
    return _both_called(series, ranks, first, last)


def place_between(series: SeriesView, rank: int, before_mm: float, after_mm: float) -> str:
    """The largest gap: the rank of the place before it, and what the header calls a slice at each end."""
    place = Phrase(
        "the largest, {distance} mm, between slices {first} and {second}",
        distance=f"{after_mm - before_mm:.4g}",
        first=str(rank),
        second=str(rank + 1),
    )
    first, last = (slice_near(series, one) for one in (before_mm, after_mm))
    return _both_called(series, place, first, last)


def slice_near(series: SeriesView, place_mm: float) -> int:
    """Position of the first slice at this place along the normal, or the nearest to it."""
    distances = [abs((one.place_mm or 0.0) - place_mm) for one in series.slices]
    return min(range(len(distances)), key=lambda position: round(distances[position], 2))


def _both_called(series: SeriesView, place: str, first: int, last: int) -> str:
    numbers = [series.slices[one].instance_number for one in (first, last)]
    if series.of_frames or not all(numbers):
        return place
    if numbers[0] == numbers[1]:  # frames of one object
        called = Phrase("{place}, Instance Number {instance}", place=place, instance=str(numbers[0]))
    else:
        called = Phrase(
            "{place}, Instance Numbers {first} to {last}", place=place, first=str(numbers[0]), last=str(numbers[1])
        )
    low, high = (series.slices[one].location_mm for one in (first, last))
    if low is None or high is None:
        return called
    return Phrase("{place}, Slice Location {first} to {last} mm", place=called, first=f"{low:.1f}", last=f"{high:.1f}")
