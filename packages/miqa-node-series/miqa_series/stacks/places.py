"""Places of the slices of a stack, from headers alone: their usual distance, gaps, and places that a volume lacks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.nearly import SAME_MM, place_tolerance_mm
from miqa_node.stages.measure.series_view import SeriesView
from miqa_node.stages.measure.slices import Slice
from miqa_node.stages.measure.volumes import volumes_of

MIN_PLACES = 4
"""With fewer places there is no usual distance: the planes of a localizer have arbitrary positions."""
GAP_TOLERANCE = 0.1
"""A distance counts as usual if it differs from the median by no more than this share."""
REGULAR_SHARE = 0.8
"""A stack is regular if so many of its distances are equal, or so many of its places have the same number of slices."""
LEAST_STEPS = 2
"""So many neighbours numbered one by one show how far apart they are."""


@dataclass(frozen=True, slots=True)
class SlicePlaces:
    """``places_mm`` along the normal, ascending, without duplicates; ``usual_mm`` is their median distance."""

    places_mm: NDArray[np.float64]
    usual_mm: float
    gaps_mm: NDArray[np.float64]
    largest: int = -1
    """Index in ``places_mm`` of the place before the largest gap; -1 if there is no gap."""
    fewer_mm: Sequence[float] = ()
    """Places with fewer slices than most: a volume lacks one there."""


def places_of(
    places_mm: Sequence[float | None],
    thickness_mm: float | None = None,
    numbers: Sequence[int] = (),
    unit_mm: float = SAME_MM,
) -> SlicePlaces | None:
    """None unless every slice has a place, and at least two places differ. ``numbers`` are Instance Numbers.

    Positions are rounded: distances count as equal if they differ by no more than a tenth and ``unit_mm``.

    A distance that occurs three times in a row, or is within the slice thickness, is not a gap but another part
    of the protocol: thin slices through the skull base and thick ones above it, or a localizer's few planes. In a
    regular stack of overlapping slices a whole multiple of the distance is one, although nothing between is unseen.
    So is any multiple where as many Instance Numbers are missing.

    >>> found = places_of([0.0, 5.0, 10.0, 25.0])
    >>> found.usual_mm, found.gaps_mm.tolist()
    (5.0, [15.0])
    >>> thick = [0.0, 2.0, 4.0, 6.0, 8.0, 15.0, 22.0, 29.0]
    >>> places_of(thick).gaps_mm.tolist(), places_of(thick, numbers=range(8)).gaps_mm.tolist()
    ([], [])
    >>> places_of([0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 9.0], numbers=[1, 2, 3, 5, 7, 9, 10]).gaps_mm.tolist()
    [2.0, 2.0, 2.0]
    """
    positions = np.array([place for place in places_mm if place is not None])
    if len(positions) != len(places_mm) or len(positions) < 2:
        return None
    order = np.argsort(positions, kind="stable")
    ordered = positions[order]
    tolerance = place_tolerance_mm(ordered.tolist(), unit_mm)
    starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > tolerance)
    places = np.round(ordered[starts], 3)  # several echoes or phases share one place
    if len(places) < 2:
        return None
    distances = np.diff(places)
    usual = _usual(distances, unit_mm)
    wide = distances > usual * (1.0 + GAP_TOLERANCE) + tolerance
    if thickness_mm is not None:
        wide &= (distances > thickness_mm * (1.0 + GAP_TOLERANCE)) | _left_out(distances, usual, tolerance)
    gaps = wide & ~_own_spacing(distances)
    if len(numbers) == len(positions):
        gaps |= _unnumbered(distances, np.split(np.array(numbers)[order], starts[1:]), tolerance)
    if len(places) < MIN_PLACES:
        gaps[:] = False
    largest = int(np.where(gaps, distances, 0.0).argmax()) if gaps.any() else -1
    same = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > max(tolerance, same_place_mm(usual)))
    fewer = np.round(ordered[same][_fewer(np.diff(same, append=len(ordered)))], 3)
    return SlicePlaces(places, usual, distances[gaps], largest, fewer.tolist())


def _usual(distances: NDArray[np.float64], unit_mm: float) -> float:
    """The median; of rounded positions the mean of the distances that rounding makes of it.

    >>> round(_usual(np.array([0.6, 0.7, 0.6, 0.6, 1.2]), 0.1), 3)
    0.625
    """
    median = float(np.median(distances))
    near = np.abs(distances - median) <= min(1.01 * unit_mm, median / 2.0)
    return round(float(distances[near].mean()), 4) if near.any() else median


def same_place_mm(usual_mm: float) -> float:
    """How far apart slices of two volumes may lie at one place: scanners round the positions of each volume anew."""
    return GAP_TOLERANCE * usual_mm


def _left_out(distances: NDArray[np.float64], usual: float, tolerance: float) -> NDArray[np.bool_]:
    """Whole multiples of the distance, if nearly all distances are equal: slices that a regular stack lacks."""
    times, off = distances / usual, GAP_TOLERANCE + tolerance / usual
    regular = np.abs(times - 1.0) <= off
    if regular.mean() < REGULAR_SHARE:
        return np.zeros(len(distances), bool)
    return (times > 1.5) & (np.abs(times - np.rint(times)) <= off)


def _own_spacing(distances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Positions where three or more distances in a row are equal."""
    repeated = np.zeros(len(distances), bool)
    for first in range(len(distances) - 2):
        run = distances[first : first + 3]
        if run.max() - run.min() <= GAP_TOLERANCE * run.min():
            repeated[first : first + 3] = True
    return repeated


def _unnumbered(
    distances: NDArray[np.float64], numbers: Sequence[NDArray[np.int_]], tolerance: float
) -> NDArray[np.bool_]:
    """Distances as many times longer as Instance Numbers go on; ``numbers`` are those of the slices of each place."""
    present = sorted(set(np.concatenate(numbers).tolist()))
    steps = np.array([_step(here, following, present) for here, following in pairwise(numbers)])
    singles = distances[steps == 1]
    if len(singles) < LEAST_STEPS:
        return np.zeros(len(distances), bool)
    single = float(np.median(singles))
    off = GAP_TOLERANCE * steps + tolerance / single
    unnumbered: NDArray[np.bool_] = (steps > 1) & (np.abs(distances / single - steps) <= off)
    return unnumbered


def _step(here: NDArray[np.int_], following: NDArray[np.int_], present: Sequence[int]) -> int:
    """How far apart the closest numbers of two places are; 0 if another slice has one between, of all in order."""
    steps = np.abs(np.subtract.outer(here, following))
    first, second = np.unravel_index(steps.argmin(), steps.shape)
    low, high = sorted((int(here[first]), int(following[second])))
    return high - low if bisect_left(present, high) - bisect_left(present, low) == 1 else 0


def _fewer(counts: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Places with fewer slices than most, if nearly all have as many.

    A volume that covers only a part of the stack is one of its own: what it lacks at the ends does not count. Only a
    single place that is short, at one end alone, is a slice that was lost.

    >>> _fewer(np.array([3, 3, 2, 3, 3, 3])).nonzero()[0].tolist()
    [2]
    >>> _fewer(np.array([1, 1, 1, 2, 2, 2, 2, 2, 2])).nonzero()[0].tolist()
    []
    >>> [_fewer(np.array(one)).nonzero()[0].tolist() for one in ([2] * 120 + [1] * 20, [3] * 11 + [2])]
    [[], [11]]
    """
    fewer = counts < np.median(counts)
    full = np.flatnonzero(~fewer)
    if full[0] + len(counts) - 1 - full[-1] > 1:
        fewer[: full[0]] = fewer[full[-1] :] = False
    most = max(1.0, (1.0 - REGULAR_SHARE) * len(counts))
    return fewer if fewer.sum() <= most else np.zeros(len(counts), bool)


def series_places(series: SeriesView) -> SlicePlaces | None:
    """Of the stack; slices of another size fill places."""
    thickness_mm = max((one.thickness_mm for one in series.slices if one.thickness_mm is not None), default=None)
    places = _places(series.slices, thickness_mm)
    if places is None or not (len(places.gaps_mm) or places.fewer_mm):
        return places
    first, last = places.places_mm[[0, -1]]
    between = [one for one in series.others if one.place_mm is not None and first <= one.place_mm <= last]
    return _places([*series.slices, *between], thickness_mm)


def _places(slices: Sequence[Slice], thickness_mm: float | None) -> SlicePlaces | None:
    unit_mm = min((one.position_unit_mm for one in slices), default=SAME_MM)
    return places_of([one.place_mm for one in slices], thickness_mm, [one.number for one in slices], unit_mm)


def volume_without(series: SeriesView, place_mm: float, same_mm: float = SAME_MM) -> str:
    """What tells the one volume that lacks a slice at the place from the others, in words; empty if nothing does."""
    groups = series.once(volumes_of).told

    def has(volume: Sequence[int]) -> bool:
        return any(abs((series.slices[index].place_mm or 0.0) - place_mm) <= same_mm for index in volume)

    lacking = [volume for volume in groups if not has(volume)]
    if len(lacking) != 1 or len(groups) < 2:
        return ""
    lacks = series.slices[lacking[0][0]].signs
    every = [series.slices[volume[0]].signs for volume in groups]
    words = {
        "b_value": Phrase("b-value {b_value} s/mm²", b_value=f"{lacks.b_value or 0.0:g}"),
        "echo_ms": Phrase("echo time {echo_ms} ms", echo_ms=f"{lacks.echo_ms or 0.0:g}"),
        "temporal_position": Phrase("temporal position {position}", position=f"{lacks.temporal_position or 0.0:g}"),
        "component": Phrase("component {component}", component=lacks.component),
    }
    telling = [name for name in words if len({getattr(one, name) for one in every}) > 1]
    return words[telling[0]] if len(telling) == 1 else ""
