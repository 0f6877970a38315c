"""Statistics against cases worked out by hand, and against scipy and scikit-learn."""

from __future__ import annotations

import numpy as np

from miqa_node.core.statistics.recurrence import Peak, recurrences


def test_patients_with_many_findings_meet_at_a_place_by_chance() -> None:
    """Intensive-care patients have an image a day: three findings each named a place in most analyses."""
    rng = np.random.default_rng(9)
    for _ in range(20):
        peaks = [Peak(f"D{d}", f"P{d}-{i % 60}", *rng.uniform(0, 1, 2).tolist()) for d in range(3) for i in range(180)]
        assert recurrences(peaks) == []
