"""The guarantee: exact probabilities, honest limits, and violations no more often than promised."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miqa_node.core.statistics.binomial import binomial_cdf, trials_needed
from miqa_node.stages.assess.guarantee import Count, Promise, count_at, offset_grid, walk

relaxed = settings(deadline=None, max_examples=60)  # machines that run other tests beside this have no deadlines

TRIALS = st.integers(0, 60)
SHARES = st.fractions(Fraction(1, 1000), Fraction(999, 1000), max_denominator=1000)


def rational_cdf(failures: int, trials: int, share: Fraction) -> Fraction:
    return sum(
        (math.comb(trials, i) * share**i * (1 - share) ** (trials - i) for i in range(min(failures, trials) + 1)),
        Fraction(0),
    )


@relaxed
@given(TRIALS, st.integers(0, 60), SHARES)
def test_the_probability_is_that_of_rational_arithmetic(trials: int, failures: int, share: Fraction) -> None:
    exact = float(rational_cdf(failures, trials, share))
    assert binomial_cdf(failures, trials, float(share)) == pytest.approx(exact, rel=1e-11, abs=1e-300)


@relaxed
@given(st.floats(0.002, 0.3), st.floats(0.001, 0.3))
def test_as_many_trials_as_are_needed_are_enough_and_one_less_is_not(limit: float, delta: float) -> None:
    needed = trials_needed(limit, delta)
    assert needed is not None
    assert binomial_cdf(0, needed, limit) <= delta
    assert needed == 1 or binomial_cdf(0, needed - 1, limit) > delta


@relaxed
@given(st.floats(0.002, 0.3), st.floats(0.001, 0.3), st.floats(0, 0.9))
def test_failures_cost_trials(limit: float, delta: float, part: float) -> None:
    needed = trials_needed(limit, delta, share=part * limit)
    assert needed is None or needed >= (trials_needed(limit, delta) or 0)
    assert trials_needed(limit, delta, share=limit) is None


def test_a_wrong_binomial_is_an_error() -> None:
    for wrong in ((-1, 5, 0.5), (1, -1, 0.5), (1, 5, 1.5)):
        with pytest.raises(ValueError, match="no Binomial"):
            binomial_cdf(*wrong)


margin_lists = st.lists(st.one_of(st.floats(-12, 0), st.just(math.inf)), min_size=1, max_size=200)


@relaxed
@given(margin_lists)
def test_the_grid_is_ascending_ends_where_the_card_stands_and_never_goes_beyond(margins: list[float]) -> None:
    grid = offset_grid(np.array(margins))
    assert np.all(np.diff(grid) > 0)
    assert grid[-1] == 0.0


@relaxed
@given(margin_lists, st.data())
def test_looser_offsets_accept_more_and_fail_more(margins: list[float], data: st.DataObject) -> None:
    values = np.array(margins)
    bad = np.array(data.draw(st.lists(st.booleans(), min_size=len(margins), max_size=len(margins))))
    for promise in Promise:
        counts = [count_at(values, bad, float(t), promise) for t in offset_grid(values)]
        assert all(a.trials <= b.trials and a.failures <= b.failures for a, b in itertools.pairwise(counts))
        assert all(count.failures <= count.trials for count in counts)


counts_lists = st.lists(st.tuples(st.integers(0, 400), st.floats(0, 0.3)), min_size=1, max_size=12)


@relaxed
@given(counts_lists, st.floats(0.01, 0.3), st.floats(0.01, 0.2))
def test_every_offset_of_a_walk_passes_the_first_beyond_it_fails(
    rows: list[tuple[int, float]], limit: float, delta: float
) -> None:
    counts = [Count(trials, int(share * trials)) for trials, share in rows]
    result = walk(counts, limit, delta)
    passed = [count.upper_limit(delta) <= limit + 1e-9 for count in counts]
    assert all(passed[result.first : result.last + 1])
    assert result.last + 1 == len(counts) or counts[result.last + 1].upper_limit(delta) > limit - 1e-9


@relaxed
@given(counts_lists, st.floats(0.02, 0.3), st.floats(0.01, 0.1))
def test_a_stricter_wish_never_goes_further(rows: list[tuple[int, float]], limit: float, delta: float) -> None:
    counts = [Count(trials, int(share * trials)) for trials, share in rows]
    assert walk(counts, limit / 2, delta).last <= walk(counts, limit, delta).last
    assert walk(counts, limit, delta / 2).last <= walk(counts, limit, delta).last


class World:
    """Images of a known truth: margins of good and bad ones overlap, so every promise can be checked exactly."""

    PREVALENCE = 0.08
    GOOD, BAD = (-3.0, 1.5), (0.5, 1.5)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        bad = rng.random(count) < self.PREVALENCE
        mean, width = np.where(bad, self.BAD[0], self.GOOD[0]), np.where(bad, self.BAD[1], self.GOOD[1])
        margins = rng.normal(mean, width)
        return np.where(margins > 0.0, math.inf, np.maximum(margins, -12.0)), bad

    def share(self, offset: float, promise: Promise) -> float:
        def below(shape: tuple[float, float]) -> float:
            return 0.5 * (1.0 + math.erf((offset - shape[0]) / (shape[1] * math.sqrt(2.0))))

        missed = self.PREVALENCE * below(self.BAD)
        if promise is Promise.BAD_ACCEPTED:
            return missed / self.PREVALENCE
        return missed / (missed + (1.0 - self.PREVALENCE) * below(self.GOOD))


def test_without_the_walk_the_same_sites_would_break_their_promises() -> None:
    """The world is hard enough to tell: choosing the best-looking offset after the fact fails far too often."""
    world, limit, broken, sites = World(), 0.02, 0, 300
    rng = np.random.default_rng(7)
    for _ in range(sites):
        margins, bad = world.draw(rng, 700)
        grid = offset_grid(margins)
        counts = [count_at(margins, bad, float(t), Promise.ACCEPTED_BAD) for t in grid]
        looks_fine = [i for i, c in enumerate(counts) if c.trials and c.failures / c.trials <= limit]
        broken += bool(looks_fine) and world.share(float(grid[looks_fine[-1]]), Promise.ACCEPTED_BAD) > limit
    assert broken / sites > 0.3
