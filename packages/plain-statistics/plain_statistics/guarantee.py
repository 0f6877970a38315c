"""Finds the loosest operating points at which the verdict ACCEPT keeps a promise: Learn-then-Test.

A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan, L. Lei, "Learn then Test", Annals of Applied Statistics 19
(2025), arXiv:2110.01052, with fixed-sequence testing and the exact binomial p-value in place of Hoeffding's.

An image is accepted at the offset ``t`` if no rule of the policy flags it after every operating point was moved by
``t`` logits; the lower ``t``, the stricter. Two promises about the true, unknown shares are tested:

- ``ACCEPTED_BAD``: of the images accepted, at most ``limit`` are truly bad (depends on how common bad images are);
- ``BAD_ACCEPTED``: of the truly bad images, at most ``limit`` are accepted (does not).

The null hypothesis "the share at t is above the limit" is tested at successive t, from strict to loose, each at level
δ, until one cannot be rejected. The order and the start of the walk are fixed before the labels of the test split are
seen. So the first true null hypothesis is wrongly rejected with a probability of at most δ, and no correction for the
number of tests is needed. To begin where "enough" images of the *test* split are accepted would let the data choose
the hypothesis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from .binomial import binomial_cdf, trials_needed, upper_limit

GRID_POINTS = 40
"""Maximum number of offsets; more would not find a much looser one."""
START_MARGIN = 2.0
"""The walk begins where the test split should have enough images, with a margin of this many standard deviations."""


class Promise(StrEnum):
    """What a certificate limits."""

    ACCEPTED_BAD = "accepted_bad"
    BAD_ACCEPTED = "bad_accepted"


@dataclass(frozen=True, slots=True)
class Count:
    """At one offset: ``trials`` images that the promise covers, and ``failures`` that break it."""

    trials: int
    failures: int

    def upper_limit(self, delta: float) -> float:
        """Clopper–Pearson upper limit of the share of failures."""
        return upper_limit(self.failures, self.trials, delta)


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Offsets of a grid, by index, at which the promise holds: from ``first`` to ``last``; none when last < first."""

    first: int
    last: int

    @property
    def found(self) -> bool:
        """Whether there is any such offset."""
        return self.last >= self.first


def walk(counts: Sequence[Count], limit: float, delta: float, first: int = 0) -> OffsetRange:
    """Test the offsets from ``first`` on, strict to loose, and stop at the first that fails."""
    last = first - 1
    for count in counts[first:]:
        if binomial_cdf(count.failures, count.trials, limit) > delta:
            break
        last += 1
    return OffsetRange(first, last)


def count_at(margins: NDArray[np.float64], bad: NDArray[np.bool_], offset: float, promise: Promise) -> Count:
    """Count over images with the given margins: the smallest offset at which each is accepted, +inf for never."""
    accepted = margins <= offset
    failures = int((accepted & bad).sum())
    return Count(int(accepted.sum()) if promise is Promise.ACCEPTED_BAD else int(bad.sum()), failures)


def offset_grid(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Offsets to test, ascending and ending with 0, spread over the margins of the fitting split.

    Never above 0: if bad images are rare, accepting everything would keep the promise, but a certificate must not
    switch off what the shipped operating points find.
    """
    usable = margins[margins <= 0.0]
    spread = np.quantile(usable, np.linspace(0.02, 1.0, GRID_POINTS - 1)) if usable.size else np.empty(0)
    grid: NDArray[np.float64] = np.unique(np.concatenate((spread, [0.0])))
    return grid


def first_offset(
    grid: NDArray[np.float64], margins: NDArray[np.float64], tested: int, promise: Promise, limit: float, delta: float
) -> int:
    """Start of the walk, from the fitting split alone: ``margins`` of its images; ``tested`` is the test split's size.

    At stricter offsets so few images are accepted that even a result without failures would show nothing.
    """
    if promise is Promise.BAD_ACCEPTED or not margins.size:
        return 0  # the number of bad images is the same at every offset
    needed = trials_needed(limit, delta) or 0
    for index, offset in enumerate(grid):
        share = float((margins <= offset).mean())
        expected = share * tested
        # Both splits are samples: the share is uncertain, and so is the number accepted in the test split.
        variance = expected * (1.0 - share) * (1.0 + tested / margins.size)
        if expected - START_MARGIN * math.sqrt(variance) >= needed:
            return index
    return len(grid) - 1
