"""The slices on which values of a scan were read, with their regions as a drawing over each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, sin

from miqa_node.core.domain.instance import Header
from miqa_node.features.phantoms.values import PhantomValue, Point, Region, SliceRead

CORNERS = 48
"""Of a circle."""
CROSS_PX = 3.0


@dataclass(frozen=True, slots=True)
class OutlinePath:
    """A region as points of a polyline over the picture, in pixels of the slice from its upper left corner."""

    points: str
    label: str
    at: Point
    """Where its label stands."""


@dataclass(frozen=True, slots=True)
class ReadSlice:
    """A slice, the values read on it, and their regions."""

    place: SliceRead
    rows: int
    columns: int
    values: Sequence[PhantomValue]
    outlines: Sequence[OutlinePath]


def slices_of(values: Sequence[PhantomValue], header: Header) -> list[ReadSlice]:
    """Each slice once, in the order of the values; the header is that of any slice of the stack."""
    by_place: dict[tuple[str, int], list[PhantomValue]] = {}
    for one in values:
        if one.read_on is not None:
            by_place.setdefault((one.read_on.digest, one.read_on.frame), []).append(one)
    return [
        ReadSlice(of_slice[0].read_on, header.rows, header.columns, of_slice, list(_outlines(of_slice)))
        for of_slice in by_place.values()
        if of_slice[0].read_on is not None
    ]


def _outlines(values: Sequence[PhantomValue]) -> Iterator[OutlinePath]:
    """Values that were read in the same regions draw them once."""
    regions = dict.fromkeys(region for one in values for region in one.regions)
    for region in regions:
        for points in _lines(region):
            # The centre of the first pixel is half a pixel from the corner of the picture.
            moved = [(x + 0.5, y + 0.5) for x, y in points]
            yield OutlinePath(" ".join(f"{x:.1f},{y:.1f}" for x, y in moved), region.label, max(moved))


def _lines(region: Region) -> Iterator[Sequence[Point]]:
    if region.graphic_type == "POLYLINE":
        yield region.points
    elif region.graphic_type == "CIRCLE":
        (x, y), (x2, y2) = region.points
        radius = hypot(x2 - x, y2 - y)
        turns = [2 * pi * number / CORNERS for number in range(CORNERS + 1)]
        yield [(x + radius * cos(turn), y + radius * sin(turn)) for turn in turns]
    else:
        for x, y in region.points:
            yield [(x - CROSS_PX, y), (x + CROSS_PX, y)]
            yield [(x, y - CROSS_PX), (x, y + CROSS_PX)]
