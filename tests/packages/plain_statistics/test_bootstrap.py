"""No finite sample is sure: limits are never an end and the same end."""

from __future__ import annotations

import math

import numpy as np
import pytest

from miqa_node.libraries.plain_statistics.bootstrap import limits_of_draws


@pytest.mark.parametrize("trials", [1, 10, 400, 5000])
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_where_all_draws_are_alike_the_sample_bounds_them(end: float, trials: int) -> None:
    low, high = limits_of_draws([end] * 400, trials)
    assert end in (low, high)
    assert high - low == pytest.approx(3.8415 / (trials + 3.8415), rel=1e-3)


def test_within_they_are_percentiles_and_of_nothing_nothing() -> None:
    assert limits_of_draws(np.linspace(0.2, 0.6, 101).tolist(), 20) == pytest.approx((0.21, 0.59))
    assert all(map(math.isnan, limits_of_draws([], 20)))
