"""Faults of order and of single headers, which series of CT and MR share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from pydicom import Dataset

from miqa_training.degrade.series.stack import RealStack, SeriesFault

ROWS_LOST = 8


def without_a_slice(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """A slice of the inside is missing; the others keep their numbers."""
    gone = _inside(stack, rng)
    return stack.part([place for place in range(len(stack)) if place != gone])


def neighbours_swapped(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Two neighbours of the inside have each other's pixels."""
    first = _inside(stack, rng)
    order = np.arange(len(stack))
    order[[first, first + 1]] = first + 1, first
    return stack.showing(stack.values[order])


def neighbour_repeated(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """A slice of the inside shows the pixels of the next one."""
    first = _inside(stack, rng)
    values = stack.values.copy()
    values[first] = values[first + 1]
    return stack.showing(values)


def rows_of_one(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Eight rows through the middle of one slice have the lowest value of the stack."""
    place = _inside(stack, rng)
    return _with_rows_lost(stack, range(place, place + 1))


def rows_of_all(stack: RealStack, rng: np.random.Generator) -> RealStack:  # noqa: ARG001 - a fault takes both
    """The same in all slices."""
    return _with_rows_lost(stack, range(len(stack)))


def spacing_of_one(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Pixel Spacing of one slice is 1.3 times that of the others."""

    def change(header: Dataset) -> None:
        header.PixelSpacing = [1.3 * float(one) for one in header.PixelSpacing]

    return _described(stack, _inside(stack, rng), change)


def thickness_of_one(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Slice Thickness of one slice is twice that of the others."""

    def change(header: Dataset) -> None:
        header.SliceThickness = 2.0 * float(header.get("SliceThickness") or 1.0)

    return _described(stack, _inside(stack, rng), change)


def slope_of_one(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Rescale Slope of one slice is 1.2 times that of the others; its stored values are as they were."""
    place = _inside(stack, rng)
    intercept = float(stack.headers[place].get("RescaleIntercept") or 0.0)

    def change(header: Dataset) -> None:
        header.RescaleIntercept, header.RescaleSlope = intercept, 1.2 * float(header.get("RescaleSlope") or 1.0)

    values = stack.values.copy()
    values[place] = (values[place] - intercept) * 1.2 + intercept
    return _described(stack.showing(values), place, change)


MAKERS: Mapping[str, tuple[SeriesFault, ...]] = {
    "missing slice": (without_a_slice,),
    "swapped slices": (neighbours_swapped,),
    "doubled slice": (neighbour_repeated,),
    "lost rows": (rows_of_one, rows_of_all),
    "spacing of a slice": (spacing_of_one,),
    "thickness of a slice": (thickness_of_one,),
    "slope of a slice": (slope_of_one,),
}


def _inside(stack: RealStack, rng: np.random.Generator) -> int:
    """A place of the middle third, where the patient is."""
    third = len(stack) // 3
    return int(rng.integers(third, len(stack) - third))


def _with_rows_lost(stack: RealStack, places: range) -> RealStack:
    values = stack.values.copy()
    middle = values.shape[1] // 2
    values[places.start : places.stop, middle : middle + ROWS_LOST] = values.min()
    return stack.showing(values)


def _described(stack: RealStack, place: int, change: Callable[[Dataset], None]) -> RealStack:
    def change_one(at: int, header: Dataset) -> None:
        if at == place:
            change(header)

    return stack.described(change_one)
