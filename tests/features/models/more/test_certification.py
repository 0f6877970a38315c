"""From cases to a certificate: each label and population apart, and only what is right often enough."""

from __future__ import annotations

from tests.features.models.simulated_sites import passed


def test_sites_with_too_many_errors_pass_seldom_and_good_ones_mostly() -> None:
    assert sum(map(bool, passed(0.94, 400, 40))) <= 6
    assert sum(count == 4 for count in passed(0.99, 800, 15)) >= 10
