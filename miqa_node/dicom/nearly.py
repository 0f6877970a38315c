"""When two real numbers of headers are the same number: scanners round them, and they jitter in the last digits."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

SAME_ANGLE_DEG = 0.1
"""Planes that differ by less are parallel."""
SAME_SHARE = 1e-3
"""Echo times, b-values and the like that differ by less are the same."""
SAME_MM = 0.1
"""Positions are no more exact than this, however many digits they have."""
CLOSE_SHARE = 0.25
"""Of the distance of slices: positions that are further apart are never one place."""
PASSES_MM = 0.5
"""A table that moves to and fro comes so close to each place again; slices that are close by design are evenly so."""
UNEVEN = 1.25
"""How many times longer steps between places are than those within one, and by more than rounding."""
LEAST_SHARED, REGULAR_SHARE, REGULAR = 4, 0.8, 0.1
"""Passes share so many places, and so many of those that the shorter one covers; distances of as many places are equal
within a tenth."""
Labels = NDArray[np.intp]


def written_unit(text: str) -> float:
    """One unit of the last digit that is written.

    >>> [round(written_unit(one), 6) for one in ("-559.8", "1.25", "12", "5e-3")]
    [0.1, 0.01, 1.0, 0.001]
    """
    digits, _, exponent = text.strip().lower().partition("e")
    shift = int(exponent) if exponent.lstrip("+-").isdigit() else 0
    return float(10.0 ** (shift - len(digits.partition(".")[2])))


def same_values(values: Sequence[float | None], share: float = SAME_SHARE, least: float = 0.0) -> Labels:
    """Labels by cluster: numbers are the same if the next one differs by ``share`` of itself or by ``least``.

    No number is a value of its own.

    >>> same_values([2.52, 2.52000009, None, 30.0, 2.52]).tolist()
    [1, 1, 0, 2, 1]
    """
    numbers = np.array([np.nan if one is None else one for one in values], np.float64)
    labels = np.zeros(len(numbers), np.intp)
    there = np.flatnonzero(np.isfinite(numbers))
    if not len(there):
        return labels
    order = there[np.argsort(numbers[there], kind="stable")]
    ordered = numbers[order]
    steps = np.diff(ordered) > np.maximum(np.abs(ordered[1:]) * share, least)
    labels[order] = 1 + np.concatenate([[0], np.cumsum(steps)])
    return labels


def same_words(values: Sequence[Hashable]) -> Labels:
    """Labels of equal values, in the order of their first one."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values], np.intp)


def same_directions(directions: Sequence[Sequence[float] | None], angle_deg: float = SAME_ANGLE_DEG) -> Labels:
    """Labels by cluster of one or two unit vectors each (3 or 6 numbers), by their angle; None is one of its own.

    >>> turned = (1.0, 0.0, 0.0, 0.0, 0.9999, 0.0141)
    >>> same_directions([(1, 0, 0, 0, 1, 0), (1, 4e-7, 0, 0, 1, 0), turned, None]).tolist()
    [0, 0, 1, 2]
    """
    unique = list(dict.fromkeys(None if one is None else tuple(one) for one in directions))
    vectors = [one for one in unique if one is not None]
    labels: dict[tuple[float, ...] | None, int] = {}
    if vectors:
        for label, members in enumerate(_linked(np.array(vectors, np.float64), angle_deg)):
            labels |= {vectors[member]: label for member in members}
    labels[None] = max(labels.values(), default=-1) + 1
    return np.array([labels[None if one is None else tuple(one)] for one in directions], np.intp)


def _linked(vectors: NDArray[np.float64], angle_deg: float) -> list[list[int]]:
    """Clusters of rows of which each has a neighbour in reach; a chord is as exact for small angles as no cosine is."""
    reach = 2.0 * np.sin(np.radians(angle_deg) / 2.0)
    halves = vectors.reshape(len(vectors), -1, 3)
    halves = halves / np.maximum(np.linalg.norm(halves, axis=2, keepdims=True), 1e-12)
    open_rows = np.ones(len(vectors), bool)
    clusters: list[list[int]] = []
    while open_rows.any():
        waiting, cluster = [int(open_rows.argmax())], []
        open_rows[waiting[0]] = False
        while waiting:
            here = waiting.pop()
            cluster.append(here)
            near = open_rows & (np.linalg.norm(halves - halves[here], axis=2).max(axis=1) <= reach)
            open_rows[near] = False
            waiting.extend(np.flatnonzero(near).tolist())
        clusters.append(cluster)
    return clusters


def place_tolerance_mm(places_mm: Sequence[float], unit_mm: float = SAME_MM) -> float:
    """How far apart positions of one place may lie: a unit of the last written digit, but never like two slices.

    >>> place_tolerance_mm([0.0, 0.6, 1.3, 1.9]), place_tolerance_mm([0.0, 0.05, 0.1])
    (0.1, 0.0125)
    >>> place_tolerance_mm([0.0, 5.0, 10.0], 1.0)
    1.0
    """
    most = max(SAME_MM, unit_mm)
    ordered = np.sort(np.asarray(places_mm, np.float64))
    distances = np.diff(ordered)
    between = distances[distances > 1.5 * most]  # jitter of several slices at one place is no distance of slices
    distances = between if len(between) else distances[distances > 0.0]
    rounded = min(most, CLOSE_SHARE * float(np.median(distances))) if len(distances) else most
    return max(rounded, _between_passes_mm(ordered, rounded))


def _between_passes_mm(ordered: NDArray[np.float64], same_mm: float) -> float:
    """How far apart passes over the same places lie, as those of a shuttle that moves to and fro; 0 if it is one pass.

    Then steps alternate between small and large ones, and each pass alone is regular.

    >>> passes = np.sort(np.concatenate([np.arange(8) * 5.0, np.arange(8) * 5.0 + 0.4]))
    >>> round(_between_passes_mm(passes, 0.1), 3), _between_passes_mm(np.arange(16) * 2.5, 0.1)
    (0.4, 0.0)
    """
    steps = np.sort(np.diff(ordered))
    steps = steps[steps > same_mm]
    uneven = np.diff(steps) > np.maximum((UNEVEN - 1.0) * steps[:-1], 1.5 * same_mm)
    candidates = np.unique(steps[:-1][uneven]) * 1.001
    return next((float(small) for small in candidates if _are_passes(ordered, float(small), same_mm)), 0.0)


def _are_passes(ordered: NDArray[np.float64], small_mm: float, same_mm: float) -> bool:
    parts = np.split(ordered, np.flatnonzero(np.diff(ordered) > small_mm) + 1)
    spreads, places = np.array([np.ptp(one) for one in parts]), np.diff([one[0] for one in parts])
    shared = np.flatnonzero(spreads > same_mm)
    if len(shared) < LEAST_SHARED or len(shared) < REGULAR_SHARE * (shared[-1] - shared[0] + 1):
        return False
    usual = float(np.median(places))
    is_regular = np.mean(np.abs(places - usual) <= REGULAR * usual + same_mm) >= REGULAR_SHARE
    return bool(is_regular and spreads.max() <= max(PASSES_MM, CLOSE_SHARE * usual))


def same_places(places_mm: Sequence[float], unit_mm: float = SAME_MM) -> Labels:
    """Labels of the places along the normal, ascending from 1.

    >>> same_places([0.0, 5.0, 5.02, 10.0]).tolist()
    [1, 2, 2, 3]
    """
    return same_values(list(places_mm), 0.0, place_tolerance_mm(places_mm, unit_mm))
