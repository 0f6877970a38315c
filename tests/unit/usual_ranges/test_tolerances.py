"""The measurements that have usual ranges."""

from __future__ import annotations

import pytest

from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.features.usual_ranges.tolerances import TOLERANCES


@pytest.mark.parametrize("name", TOLERANCES)
def test_each_is_a_measurement_with_a_tolerance_above_zero(name: str) -> None:
    assert name in MEASUREMENTS.all()
    assert TOLERANCES[name].around(1.0) > 0.0
