"""The guarantee: exact probabilities, honest limits, and violations no more often than promised."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miqa_node.libraries.plain_statistics.binomial import binomial_cdf, trials_needed, upper_limit
from miqa_node.libraries.plain_statistics.guarantee import Count, Promise, count_at, first_offset, offset_grid, walk

relaxed = settings(max_examples=60)

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


@pytest.mark.more
@relaxed
@given(st.integers(1, 20_000), st.floats(0, 1), st.floats(0.0005, 0.9995))
def test_the_probability_and_the_limit_are_those_of_scipy(trials: int, part: float, share: float) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with the extra [train]")
    failures = int(part * trials)
    assert binomial_cdf(failures, trials, share) == pytest.approx(stats.binom.cdf(failures, trials, share), rel=1e-8)
    expected = 1.0 if failures == trials else stats.beta.ppf(0.95, failures + 1, trials - failures)
    assert upper_limit(failures, trials, 0.05) == pytest.approx(expected, rel=1e-8)


@pytest.mark.more
@relaxed
@given(st.integers(1, 2000), st.floats(0, 1), st.floats(0.001, 0.5))
def test_the_limit_is_where_the_test_turns(trials: int, part: float, delta: float) -> None:
    failures = int(part * (trials - 1))
    limit = upper_limit(failures, trials, delta)
    assert failures / trials <= limit <= 1.0
    assert binomial_cdf(failures, trials, limit) <= delta
    below = limit - 1e-6
    assert below <= 0.0 or binomial_cdf(failures, trials, below) > delta


@pytest.mark.more
@relaxed
@given(st.integers(1, 2000), st.floats(0, 1), st.floats(0.001, 0.5))
def test_more_failures_raise_the_limit_and_more_trials_lower_it(trials: int, part: float, delta: float) -> None:
    failures = int(part * (trials - 1))
    limit = upper_limit(failures, trials, delta)
    assert upper_limit(failures + 1, trials, delta) >= limit
    assert upper_limit(failures, trials + 1, delta) <= limit
    assert upper_limit(failures, trials, delta / 2) >= limit


@pytest.mark.more
@pytest.mark.parametrize(
    ("promise", "limit", "images"),
    [
        (Promise.ACCEPTED_BAD, 0.01, 1500),
        (Promise.ACCEPTED_BAD, 0.02, 1000),
        (Promise.BAD_ACCEPTED, 0.05, 2500),
        (Promise.BAD_ACCEPTED, 0.15, 1500),
    ],
)
def test_promises_are_broken_no_more_often_than_was_said(promise: Promise, limit: float, images: int) -> None:
    """400 sites calibrate on their own sample; the true share at what they chose is known."""
    world, delta, sites = World(), 0.1, 400
    rng = np.random.default_rng(20261120)
    broken = certified = 0
    for _ in range(sites):
        fitting, _ = world.draw(rng, int(0.3 * images))
        testing, bad = world.draw(rng, images - len(fitting))
        grid = offset_grid(fitting)
        first = first_offset(grid, fitting, len(testing), promise, limit, delta)
        result = walk([count_at(testing, bad, float(t), promise) for t in grid], limit, delta, first)
        if result.found:
            certified += 1
            broken += world.share(float(grid[result.last]), promise) > limit
    assert certified > sites / 3, "a test in which nobody gets a certificate says nothing"
    # Broken at most δ of all sites; three standard deviations of 400 draws at δ are allowed on top.
    assert broken / sites <= delta + 3.0 * math.sqrt(delta * (1.0 - delta) / sites)
