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


def test_a_slice_of_another_size_leaves_no_gap_and_is_named(tmp_path: Path) -> None:
    body = making.write_series(tmp_path / "a", [making.body_ct(seed=seed) for seed in range(12)], "CT")
    images = [making.body_ct()[::2, ::2]]
    small = making.write_series(tmp_path / "b", images, "CT", places_mm=[20.0], first=50)  # instead of the fifth
    judgement = judged([*body[:4], *small, *body[5:7], *body[8:]])
    values = numbers(judgement)
    assert (values["slice_count"], values["slice_gaps"], values["slice_gap_largest"]) == (10.0, 1.0, 10.0)
    (gaps,) = [one for one in judgement.assessment.measurements if one.name == "slice_gaps"]
    assert "between slices 7 and 8" in gaps.place, "the one that is missing"
    (issue,) = [one for one in judgement.assessment.plausibility if one.name == "slice_sizes_differ"]
    assert "96 × 96 pixels instead of 192 × 192" in issue.message


def test_magnitude_images_give_the_signal_to_noise_that_they_were_made_with(tmp_path: Path) -> None:
    # Noise of few grey levels has a median absolute deviation in coarse steps.
    images = [30.0 * making.head_mr(signal=600.0, air=10.0, seed=seed) for seed in range(5)]
    values = numbers(judged(making.write_series(tmp_path, images, "MR")))
    assert values["mr_snrd"] == pytest.approx(60.0, rel=0.05)
    # The median of a squared Rayleigh variable is 2 σ² ln 2.
    assert values["mr_fber"] == pytest.approx(600.0**2 / (200.0 * np.log(2.0)), rel=0.1)
    assert values["mr_wrap"] == 0.0
    assert values["mr_ghost"] < 0.2
    assert values["slice_jump"] < 1.0
    assert 0.0 < values["mr_efc"] < 1.0
