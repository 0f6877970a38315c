"""What many measurements of a series take of the numbers of its slices: the usual one, or the worst."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_node.stages.measure.where import place_of_slice

NEIGHBOURS = 12
"""Pairs around one: shoulders have up to five times the noise of the head in the same series, but all of them have."""
SAMPLED_SLICES = 40
"""Costly measurements that hardly differ between slices are taken of so many, evenly spread over the stack."""


class SliceNumber(NamedTuple):
    """A number of the slice with this position in the series."""

    position: int
    value: float


def is_sampled(view: SliceView) -> bool:
    """Whether costly measurements take the slice."""
    return view.index % max(1, len(view.series.slices) // SAMPLED_SLICES) == 0


def middle(_: SeriesView | None, parts: Sequence[float]) -> float | None:
    """The median over all slices.

    >>> middle(None, [4.0, 9.0, 5.0])
    5.0
    """
    return float(np.median(parts)) if parts else None


def worst(_: SeriesView | None, parts: Sequence[float]) -> float | None:
    """The largest value of all slices.

    >>> worst(None, [4.0, 9.0, 5.0])
    9.0
    """
    return float(np.max(parts)) if parts else None


def usual_around(noises: NDArray[np.float64], place: int) -> float:
    """Median noise of the pairs nearest to the one at ``place``, which is among them; 0 stands for no noise measured.

    >>> usual_around(np.array([4.0, 4.0, 12.0]), 2), usual_around(np.array([4.0] * 20 + [12.0] * 20), 21)
    (4.0, 12.0)
    """
    first = max(0, min(place - NEIGHBOURS // 2, len(noises) - NEIGHBOURS))
    near = noises[first : first + NEIGHBOURS]
    return float(np.median(near[near > 0.0]))


def worst_slice(name: str, unit: str) -> Callable[[SeriesView, Sequence[SliceNumber]], Measurement | None]:
    """Takes the largest number, and says on which slice it is found."""

    def take(series: SeriesView, parts: Sequence[SliceNumber]) -> Measurement | None:
        if not parts:
            return None
        most = max(parts, key=lambda one: one.value)
        return Measurement(name, most.value, unit, place_of_slice(series, most.position))

    return take


def fifth_slice(name: str, unit: str) -> Callable[[SeriesView, Sequence[SliceNumber]], Measurement | None]:
    """Takes the number that a fifth of the slices reach, and says which one has it: shoulders are a few slices."""

    def take(series: SeriesView, parts: Sequence[SliceNumber]) -> Measurement | None:
        if not parts:
            return None
        reached = sorted(parts, key=lambda one: one.value, reverse=True)[(len(parts) - 1) // 5]
        return Measurement(name, reached.value, unit, place_of_slice(series, reached.position))

    return take
