"""The slices of an ACR MR phantom as its measures read them: by their number, and turned so that the notch is up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import LOCALIZER, Point, Region, SliceRead
from miqa_node.libraries.phantom_shapes.acr import AcrSlices, find_acr_slices
from miqa_node.libraries.phantom_shapes.disc import Disc, find_disc
from miqa_node.stages.measure.series_view import Values

NOT_FOUND = Phrase(
    "The slices of the ACR protocol were not found: looked for uniform slices between slices with a bar or a block and "
    "slices with a ring, 10 mm apart."
)
MOST_LOCALIZER_SLICES = 3
NO_DISC = Phrase("The outline of the phantom on this slice is no circle.")
NO_SLICE = Phrase("The scan has no slice {number} of the ACR protocol, or none that can be told from its neighbours.")


@dataclass(frozen=True, slots=True)
class AcrSlice:
    """A slice of the protocol, turned by quarter turns, and mirrored back, so that the notch is up.

    ``tilt`` is the angle that is left, in radians, from right towards down.
    """

    number: int
    image: Values
    disc: Disc
    tilt: float
    read_on: SliceRead
    turns: int
    mirrored: bool

    def point(self, right_mm: float, down_mm: float) -> Point:
        """Column and row of a point of the phantom, from its centre."""
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        columns, rows = right_mm * cos - down_mm * sin, right_mm * sin + down_mm * cos
        disc = self.disc
        return float(disc.column + columns / disc.spacing.columns), float(disc.row + rows / disc.spacing.rows)

    def as_stored(self, point: Point) -> Point:
        """A point of ``image`` as column and row of the slice as it was sent."""
        column, row = point
        rows, columns = self.image.shape
        if self.mirrored:
            column = columns - 1 - column
        for _ in range(self.turns):
            column, row = rows - 1 - row, column
            rows, columns = columns, rows
        return column, row

    def line(self, *points: Point, label: str = "") -> Region:
        """Points of ``image`` as a line on the slice as it was sent."""
        return Region("POLYLINE", tuple(self.as_stored(one) for one in points), label)


class AcrView:
    """The slices of the protocol of one stack."""

    def __init__(self, stack: PhantomStack, protocol: AcrSlices) -> None:
        self.stack = stack
        self.protocol = protocol

    def number(self, number: int) -> AcrSlice | None:
        """The slice of this number of the protocol; None if the stack lacks it, or its disc was not found."""
        return self.stack.once(_upright, self, number) if number in self.protocol.places else None

    def lack(self, *numbers: int) -> Phrase:
        """Why there is no slice of one of these numbers, of the first that is not there."""
        missing = [one for one in numbers if one not in self.protocol.places]
        return Phrase(NO_SLICE, number=missing[0]) if missing else NO_DISC

    def read_on(self, number: int) -> SliceRead | None:
        """The slice as it was sent."""
        place = self.protocol.places.get(number)
        return None if place is None else self.stack.read_on(place, f"slice_{number}")


def acr_of(stack: PhantomStack) -> AcrView | None:
    """None if the stack has not the slices of the protocol."""
    return stack.once(_find)


def slice_of(stack: PhantomStack, number: int) -> tuple[AcrView, AcrSlice] | Phrase:
    """The slice of this number with its view, or why there is none."""
    view = acr_of(stack)
    if view is None:
        return not_found(stack)
    one = view.number(number)
    return view.lack(number) if one is None else (view, one)


def not_found(stack: PhantomStack) -> Phrase:
    """Why a stack has no view."""
    return LOCALIZER if len(stack.images) <= MOST_LOCALIZER_SLICES else NOT_FOUND


def _find(stack: PhantomStack) -> AcrView | None:
    protocol = find_acr_slices(stack.images, stack.places_mm, stack.spacing_mm)
    return None if protocol is None else AcrView(stack, protocol)


def _upright(stack: PhantomStack, view: AcrView, number: int) -> AcrSlice | None:
    place = view.protocol.places[number]
    turn = np.degrees(view.protocol.up) + 90.0
    quarters = round(turn / 90.0)
    tilt = float(np.radians(turn - 90.0 * quarters))
    image = np.rot90(stack.images[place], quarters % 4)
    spacing = stack.spacing_mm if quarters % 2 == 0 else stack.spacing_mm[::-1]
    if view.protocol.mirrored:
        image, tilt = np.fliplr(image), -tilt
    image = np.ascontiguousarray(image)
    disc = find_disc(image, (spacing[0], spacing[1]))
    if disc is None:
        return None
    read_on = stack.read_on(place, f"slice_{number}")
    return AcrSlice(number, image, disc, tilt, read_on, quarters % 4, view.protocol.mirrored)
