"""Slices that are missing, out of order, or there twice."""

from __future__ import annotations

import numpy as np
from pydicom import Dataset

from miqa_training.degrade.series.stack import RealStack

GREY_LEVEL = 1.0


def cut_gap(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Two or three neighbouring slices of the inside are not there."""
    count = int(rng.integers(2, 4))
    first = int(rng.integers(2, len(stack) - count - 1))
    return stack.part([place for place in range(len(stack)) if not first <= place < first + count])


def moved_part(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """The table went on between two parts: positions behind the joint lie one to three distances further."""
    joint = int(rng.integers(2, len(stack) - 1))
    step = _step(stack) * float(rng.uniform(1.0, 3.0))

    def change(place: int, header: Dataset) -> None:
        if place >= joint:
            header.ImagePositionPatient = [float(v) for v in np.array(header.ImagePositionPatient, float) + step]

    return stack.described(change)


def dropped(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """One slice of the inside was lost on the way."""
    lost = int(rng.integers(1, len(stack) - 1))
    return stack.part([place for place in range(len(stack)) if place != lost])


def dropped_unnoticed(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """One slice was lost before its sender numbered the others."""
    numbered = dropped(stack, rng)

    def change(place: int, header: Dataset) -> None:
        header.InstanceNumber = place + 1

    return numbered.described(change)


def swapped_neighbours(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """The pixels of two neighbours are exchanged."""
    first = int(rng.integers(1, len(stack) - 2))
    return _exchanged(stack, first, first + 1)


def swapped_places(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """Two slices that are not neighbours have each other's position."""
    first, second = sorted(rng.choice(np.arange(1, len(stack) - 1), 2, replace=False).tolist())
    if second - first < 2:
        first, second = 1, len(stack) - 2
    places = [list(one.ImagePositionPatient) for one in stack.headers]

    def change(place: int, header: Dataset) -> None:
        if place in (first, second):
            header.ImagePositionPatient = places[first + second - place]

    return stack.described(change)


def repeated_pixels(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """A slice shows the pixels of the one before it."""
    place = int(rng.integers(1, len(stack)))
    values = stack.values.copy()
    values[place] = values[place - 1]
    return stack.showing(values)


def repeated_slice(stack: RealStack, rng: np.random.Generator) -> RealStack:
    """A slice came twice: the copy has another identity, and noise of one grey level of a lossy compression."""
    place = int(rng.integers(1, len(stack) - 1))
    copied = stack.part([*range(place + 1), place, *range(place + 1, len(stack))])
    values = copied.values.copy()
    values[place + 1] += rng.normal(0.0, GREY_LEVEL, values.shape[1:])
    return copied.showing(values)


def _exchanged(stack: RealStack, one: int, other: int) -> RealStack:
    values = stack.values.copy()
    values[[one, other]] = values[[other, one]]
    return stack.showing(values)


def _step(stack: RealStack) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    places = [np.array(one.ImagePositionPatient, float) for one in stack.headers[:2]]
    return np.asarray(places[1] - places[0], np.float64)
