"""What a certificate promises, by 1,000 simulated sites of both labels and two populations."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_node.libraries.plain_statistics.mean_shifts import HALF_YEAR, WINDOW, largest_shift, shift_limit
from tests.features.models.simulated_sites import passed

pytestmark = pytest.mark.more


def test_of_sites_with_six_errors_in_a_hundred_at_most_one_in_twenty_passes() -> None:
    assert sum(map(bool, passed(0.94, 400, 1000))) <= 50


@pytest.mark.long
def test_of_sites_with_one_error_in_a_hundred_four_in_five_pass() -> None:
    """Each label of each population by 200 answers, and all four together by 400 each."""
    assert sum(passed(0.99, 400, 1000)) >= 0.8 * 4 * 1000
    assert sum(count == 4 for count in passed(0.99, 800, 1000)) >= 800


@pytest.mark.parametrize("kind", ["most are sure", "even", "two groups"])
def test_the_watch_ends_few_sound_certificates_and_sees_a_shift(kind: str) -> None:
    """Half years of sound confidence, and 200 images of one that is a tenth lower, at 20 sites of 150 cases."""
    rng = np.random.default_rng(11)

    def confidences(count: int) -> np.ndarray:
        if kind == "even":
            return rng.uniform(0.5, 1.0, count)
        if kind == "two groups":
            return np.where(rng.random(count) < 0.8, 0.97, 0.6)
        return 0.5 + 0.5 * rng.beta(4.0, 1.2, count)

    ends = alarms = 0
    for _ in range(20):
        sample = shift_limit(confidences(150).tolist())
        for _ in range(10):
            ends += largest_shift(confidences(HALF_YEAR).tolist(), sample.mean) > sample.limit
            alarms += largest_shift(np.clip(confidences(WINDOW) - 0.1, 0, 1).tolist(), sample.mean) > sample.limit
    assert ends <= 10, "5 % of 200 half years"
    assert alarms >= 160
