"""Measurements along a series: the number of each slice, kept with what the series was judged by."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tests.stages.measure.series import making
from tests.stages.measure.series.test_along import profiles
from tests.stages.measure.series.test_measures import judged, numbers


def test_a_jump_is_that_of_the_slice_in_its_volume(tmp_path: Path) -> None:
    images = [making.head_mr(900.0 if number == 5 else 600.0, seed=number) for number in range(10)]
    judgement = judged(making.write_series(tmp_path, images, "MR"))
    along = profiles(judgement.snapshot)["slice_jump"].values
    assert math.isnan(along[0])
    assert math.isnan(along[-1])
    assert np.nanargmax(along) == 5
    assert np.nanmax(along) == pytest.approx(numbers(judgement)["slice_jump"])
