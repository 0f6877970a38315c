"""Stretched histograms have unused levels, in proportion to the stretching."""

from __future__ import annotations

import numpy as np

from tests.stages.measure.phantoms import chest, radiograph
from tests.stages.measure.test_projection import units, values


def test_stretching_leaves_levels_unused() -> None:
    image = np.round(chest(noise=20.0) / 8)
    shares = [values(radiograph(image * factor))["unused_levels"] for factor in (1, 2, 4)]
    assert shares[0] < 10
    assert 48 < shares[1] < 60
    assert 73 < shares[2] < 80


def test_it_has_a_unit() -> None:
    assert units(radiograph(chest()))["unused_levels"] == "%"
