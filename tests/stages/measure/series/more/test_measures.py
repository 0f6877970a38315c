"""CT and MR measurements against phantoms whose noise, gaps, metal and signal are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged, numbers


def test_a_ghost_a_wrap_and_a_dark_slice_are_seen(tmp_path: Path) -> None:
    plain = [making.head_mr(seed=seed) for seed in range(5)]
    ghosts = [image + 0.1 * np.roll(image, making.SIDE // 2, axis=0) for image in plain]
    assert numbers(judged(making.write_series(tmp_path / "a", ghosts, "MR")))["mr_ghost"] == pytest.approx(10, abs=3)
    wrapped = judged(making.write_series(tmp_path / "b", [np.roll(image, 60, axis=0) for image in plain], "MR"))
    assert numbers(wrapped)["mr_wrap"] > 40
    assert {mark.measurement for mark in wrapped.snapshot.masks} == {"mr_wrap"}
    dark = [image * (0.5 if index == 2 else 1.0) for index, image in enumerate(plain)]
    assert numbers(judged(making.write_series(tmp_path / "c", dark, "MR")))["slice_jump"] == pytest.approx(50, abs=3)
