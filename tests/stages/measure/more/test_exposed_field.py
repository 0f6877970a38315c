"""The exposed field: borders that are drawn into a picture are measured, and nothing else is called a border."""

from __future__ import annotations

import pytest

from tests.stages.measure.test_exposed_field import collimated, taken


def test_the_collimator_of_the_header_is_compared_with_the_pixels() -> None:
    edges = (101, 500, 1, 600)  # a fifth of the columns, as drawn
    agreeing = taken(collimated({"left": 0.2}), collimator_edges=edges)
    assert agreeing["collimator_outside_share"] == pytest.approx(20.0)
    assert agreeing["collimator_difference"] <= 1.0
    wrong = taken(collimated({"left": 0.2}), collimator_edges=(1, 400, 1, 600))
    assert wrong["collimator_difference"] == pytest.approx(20.0, abs=1.0)
    assert not [name for name in taken(collimated({"left": 0.2})) if name.startswith("collimator")]
