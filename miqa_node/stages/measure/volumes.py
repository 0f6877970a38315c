"""Sorts the slices of a stack into volumes, each with one slice at each place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from miqa_node.dicom.nearly import Labels, same_directions, same_places, same_values, same_words
from miqa_node.stages.measure.series_view import SeriesView
from miqa_node.stages.measure.signs import SHOWN, TIMED
from miqa_node.stages.measure.slices import Slice

LEAST_COVER = 0.6
"""A sign tells volumes apart if each of most of them has so many of the places. One that differs from slice to slice,
as a time does, leaves single slices."""
MOST_UNTOLD = 0.2
"""With more of the places taken by slices that nothing tells apart there is no volume to compare slices in."""


class Volumes(NamedTuple):
    """``told`` are the slices that signs tell apart, ``single`` have one slice at each place; indices in order.

    ``untold`` is the number of places with slices that nothing tells apart.
    """

    told: list[list[int]]
    single: list[list[int]]
    untold: int


class _Stack(NamedTuple):
    slices: Sequence[Slice]
    places: Labels

    def doubles(self, indices: Sequence[int]) -> int:
        """Slices beyond the first at each place."""
        return len(indices) - len(set(self.places[list(indices)].tolist()))


def sort_into_volumes(slices: Sequence[Slice]) -> Volumes:
    """The volumes of a stack. Without positions only what is shown tells slices apart.

    They differ in b-value, echo, phase, time or component of the signal, whatever the header has of these (``signs``).
    If no sign is of a whole volume, as times that differ from slice to slice, their order at each place tells; last,
    that of Instance Numbers. Never the order of files.
    """
    places_mm = [one.place_mm for one in slices]
    if not slices:
        return Volumes([], [], 0)
    positions = [place for place in places_mm if place is not None]
    if len(positions) < len(slices):
        unplaced = _Stack(slices, np.arange(len(slices)))
        groups = _by(unplaced, list(range(len(slices))), SHOWN)
        return Volumes(groups, groups, 0)
    stack = _Stack(slices, same_places(positions, min(one.position_unit_mm for one in slices)))
    groups = _told(stack, list(range(len(slices))))
    single, untold = [], 0
    for indices in groups:
        of_group, unsure = _in_order(stack, indices)
        single += of_group
        untold += unsure
    return Volumes([sorted(one) for one in groups], [sorted(one) for one in single], untold)


def volumes_of(series: SeriesView) -> Volumes:
    """Those of a series; ``series.once`` sorts it once."""
    return sort_into_volumes(series.slices)


def volumes(series: SeriesView) -> list[list[int]]:
    """The slices by volume, as indices in spatial order: each volume has one slice at each place."""
    return series.once(volumes_of).single


class OfSlice(Protocol):
    """What was taken of one slice."""

    @property
    def position(self) -> int:
        """Of the slice in the series."""


InVolume = TypeVar("InVolume", bound=OfSlice)


def by_volume(series: SeriesView, parts: Iterable[InVolume]) -> list[list[InVolume]]:
    """What was taken of single slices, by volume in spatial order; slices of which nothing was taken are left out."""
    of_position = {part.position: part for part in parts}
    return [[of_position[index] for index in of if index in of_position] for of in volumes(series)]


def show_the_same(one: Slice, other: Slice) -> bool:
    """Whether volumes of these slices differ at most in time."""
    return all(_labels([one, other], sign)[0] == _labels([one, other], sign)[1] for sign in SHOWN)


def _told(stack: _Stack, indices: list[int]) -> list[list[int]]:
    if not stack.doubles(indices):
        return [indices]
    for sign in (*SHOWN, *TIMED):
        parts = _split(stack, indices, sign)
        if len(parts) > 1 and _are_volumes(stack, indices, parts):
            return [volume for part in parts for volume in _told(stack, part)]
    return [indices]


def _split(stack: _Stack, indices: list[int], sign: str) -> list[list[int]]:
    labels = _labels([stack.slices[index] for index in indices], sign)
    parts: dict[int, list[int]] = {}
    for index, label in zip(indices, labels.tolist(), strict=True):
        parts.setdefault(label, []).append(index)
    return list(parts.values())


def _by(stack: _Stack, indices: list[int], signs: Sequence[str]) -> list[list[int]]:
    groups = [indices]
    for sign in signs:
        groups = [part for group in groups for part in _split(stack, group, sign)]
    return groups


def _are_volumes(stack: _Stack, indices: list[int], parts: Sequence[list[int]]) -> bool:
    if sum(map(stack.doubles, parts)) >= stack.doubles(indices):
        return False
    places = len(set(stack.places[indices].tolist()))
    covered = [len(set(stack.places[part].tolist())) for part in parts]
    return float(np.median(covered)) >= LEAST_COVER * places


def _labels(slices: Sequence[Slice], sign: str) -> Labels:
    values = [getattr(one.signs, sign) for one in slices]
    if sign in ("component", "agent_phase"):
        return same_words(values)
    if sign == "direction":
        return same_directions(values, 1.0)
    return same_values(values, least=1e-3) if sign in SHOWN else same_values(values, 0.0, 1e-6)


def _in_order(stack: _Stack, indices: list[int]) -> tuple[list[list[int]], int]:
    """Volumes by the order of slices at each place, and at how many places nothing gives an order."""
    by_place: dict[int, list[int]] = {}
    for index in indices:
        by_place.setdefault(int(stack.places[index]), []).append(index)
    groups: dict[int, list[int]] = {}
    untold = 0
    for members in by_place.values():
        order = _order(stack.slices, members)
        untold += order is None
        for rank, index in enumerate(order or sorted(members, key=lambda one: stack.slices[one].uid)):
            groups.setdefault(rank, []).append(index)
    if untold > MOST_UNTOLD * len(by_place):
        return [[index] for index in indices], untold
    return list(groups.values()), untold


def _order(slices: Sequence[Slice], members: list[int]) -> list[int] | None:
    """By the first number that all slices at a place have and of which no two are equal; None if there is none."""
    if len(members) < 2:
        return members
    for sign in (*TIMED, "number"):
        values = {one: getattr(slices[one] if sign == "number" else slices[one].signs, sign) for one in members}
        if None not in values.values() and len(set(values.values())) == len(members):
            return sorted(members, key=lambda one: values[one])
    return None
