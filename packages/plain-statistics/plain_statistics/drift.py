"""Whether numbers are distributed as they used to be: the population stability index, with what chance alone gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .bins import value_of
from .rates import chi_square_quantile

GROUPS = 10
WATCH, DRIFTED = 0.1, 0.25
"""The customary limits (N. Siddiqi, Credit Risk Scorecards, 2006): nothing below, another population above."""
LEAST_COUNT = 100
"""Fewer numbers than this on either side give no index."""
PRIOR = 0.5
"""Added to each group, so that an empty one gives a large index and not an infinite one."""


@dataclass(frozen=True, slots=True)
class Drift:
    """``psi`` is None with too few numbers; ``by_chance`` is what a steady process exceeds in one of 20 cases."""

    reference: int
    current: int
    psi: float | None
    by_chance: float | None
    reference_median: float | None
    current_median: float | None

    @property
    def word(self) -> str:
        """One of "steady", "watch", "drifted" and "too few"; what chance alone may give is steady whatever its size."""
        if self.psi is None or self.by_chance is None:
            return "too few"
        if self.psi < WATCH or self.psi <= self.by_chance:
            return "steady"
        return "drifted" if self.psi >= DRIFTED else "watch"


def psi(reference: Sequence[float], current: Sequence[float]) -> float:
    """Σ (cᵢ − rᵢ) ln(cᵢ / rᵢ) over the shares of groups, that is Jeffreys' divergence.

    >>> round(psi([100, 100], [150, 50]), 3)
    0.272
    """
    total_r, total_c = (sum(counts) + PRIOR * len(counts) for counts in (reference, current))
    shares = (((r + PRIOR) / total_r, (c + PRIOR) / total_c) for r, c in zip(reference, current, strict=True))
    return math.fsum((c - r) * math.log(c / r) for r, c in shares)


def drift(reference: Mapping[int, int], current: Mapping[int, int]) -> Drift:
    """Drift between two counts by bin (:mod:`.bins`); groups are the tenths of the reference.

    Without drift PSI · NM / (N + M) is distributed as χ² with one degree of freedom less than groups
    (B. Yurdakul, Western Michigan University, 2018).
    """
    n, m = sum(reference.values()), sum(current.values())
    if n < LEAST_COUNT or m < LEAST_COUNT:
        return Drift(n, m, None, None, median(reference), median(current))
    edges = _edges(reference, n)
    before, after = _grouped(reference, edges), _grouped(current, edges)
    by_chance = chi_square_quantile(0.95, max(len(before) - 1, 1)) * (1.0 / n + 1.0 / m)
    return Drift(n, m, psi(before, after), by_chance, median(reference), median(current))


def median(counts: Mapping[int, int]) -> float | None:
    """The median, right to 1 %; None without numbers."""
    half, running = sum(counts.values()) / 2.0, 0
    for number in sorted(counts):
        running += counts[number]
        if running >= half and running:
            return value_of(number)
    return None


def _edges(reference: Mapping[int, int], total: int) -> list[int]:
    """Last bin of each group but the last; where one bin holds more than a tenth there are fewer groups."""
    edges: list[int] = []
    running, target = 0, total / GROUPS
    for number in sorted(reference)[:-1]:
        running += reference[number]
        if running >= target:
            edges.append(number)
            target = (running * GROUPS // total + 1) * total / GROUPS
    return edges


def _grouped(counts: Mapping[int, int], edges: Sequence[int]) -> list[int]:
    grouped = [0] * (len(edges) + 1)
    group = 0
    for number in sorted(counts):
        while group < len(edges) and number > edges[group]:
            group += 1
        grouped[group] += counts[number]
    return grouped
