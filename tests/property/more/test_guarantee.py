"""The guarantee: exact probabilities, honest limits, and violations no more often than promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miqa_node.core.statistics.binomial import binomial_cdf, upper_limit
from miqa_node.stages.assess.guarantee import Promise, count_at, first_offset, offset_grid, walk
from tests.property.test_guarantee import World, relaxed


@relaxed
@given(st.integers(1, 20_000), st.floats(0, 1), st.floats(0.0005, 0.9995))
def test_the_probability_and_the_limit_are_those_of_scipy(trials: int, part: float, share: float) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with the extra [train]")
    failures = int(part * trials)
    assert binomial_cdf(failures, trials, share) == pytest.approx(stats.binom.cdf(failures, trials, share), rel=1e-8)
    expected = 1.0 if failures == trials else stats.beta.ppf(0.95, failures + 1, trials - failures)
    assert upper_limit(failures, trials, 0.05) == pytest.approx(expected, rel=1e-8)


@relaxed
@given(st.integers(1, 2000), st.floats(0, 1), st.floats(0.001, 0.5))
def test_the_limit_is_where_the_test_turns(trials: int, part: float, delta: float) -> None:
    failures = int(part * (trials - 1))
    limit = upper_limit(failures, trials, delta)
    assert failures / trials <= limit <= 1.0
    assert binomial_cdf(failures, trials, limit) <= delta
    below = limit - 1e-6
    assert below <= 0.0 or binomial_cdf(failures, trials, below) > delta


@relaxed
@given(st.integers(1, 2000), st.floats(0, 1), st.floats(0.001, 0.5))
def test_more_failures_raise_the_limit_and_more_trials_lower_it(trials: int, part: float, delta: float) -> None:
    failures = int(part * (trials - 1))
    limit = upper_limit(failures, trials, delta)
    assert upper_limit(failures + 1, trials, delta) >= limit
    assert upper_limit(failures, trials + 1, delta) <= limit
    assert upper_limit(failures, trials, delta / 2) >= limit


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
