"""Nothing is measured in air or along whole lines where the body leaves the field, or nothing was scanned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Assessment
from miqa_series.mr.patient import LEAVES_FIELD
from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged

OUTLINE = ("mr_ghost", "mr_zipper", "mr_raw_lines")
Image = NDArray[np.float64]


def limb(seed: int) -> Image:
    """A limb with cortical bone and marrow, (SIDE, SIDE): it leaves the field at the top and the bottom."""
    y, x = np.mgrid[: making.SIDE, : making.SIDE] - making.SIDE / 2.0
    x = np.abs(x) * (1.0 - 0.3 * y / making.SIDE)  # wider at one end
    tissue = 500.0 * (x < 70) - 420.0 * ((x > 18) & (x < 24)) - 150.0 * (x < 18) + 90.0 * np.cos(x / 5.0)
    random = np.random.default_rng(seed)
    plain = np.clip(tissue, 0.0, None) * (x < 70)
    return np.asarray(np.hypot(plain + random.normal(0, 8, plain.shape), random.normal(0, 8, plain.shape)))


def assessed(folder: Path, images: list[Image]) -> Assessment:
    return judged(making.write_series(folder, images, "MR")).assessment


def names(one: Assessment) -> set[str]:
    return {measured.name for measured in one.measurements}


@pytest.mark.parametrize("turned", [False, True])
def test_of_a_limb_that_leaves_the_field_at_both_ends_none_is_measured(tmp_path: Path, turned: bool) -> None:
    images = [limb(seed).T if turned else limb(seed) for seed in range(8)]
    one = assessed(tmp_path, images)
    assert names(one).isdisjoint(OUTLINE)
    reasons = {name: group.reason for group in one.left_out for name in group.measurements}
    assert {reasons[name] for name in OUTLINE} == {LEAVES_FIELD}
    assert one.measurement("mr_wrap") is None or one.measurement("mr_wrap").value <= 15.0  # type: ignore[union-attr]


def test_a_head_that_leaves_the_field_at_its_neck_is_measured(tmp_path: Path) -> None:
    images = [making.head_mr(seed=seed) for seed in range(8)]
    neck = [
        np.maximum(
            image,
            500.0
            * (np.mgrid[: making.SIDE, : making.SIDE][0] > making.SIDE // 2)
            * (np.abs(np.mgrid[: making.SIDE, : making.SIDE][1] - making.SIDE / 2) < 25),
        )
        for image in images
    ]
    assert {*OUTLINE} <= names(assessed(tmp_path, neck))


def test_shading_is_no_ghost(tmp_path: Path) -> None:
    field = np.exp(np.linspace(-1.2, 1.2, making.SIDE))[:, None] * np.exp(-(np.linspace(-1, 1, making.SIDE) ** 2))[None]
    shaded = [making.head_mr(seed=seed) * field for seed in range(8)]
    ghosted = [image + 0.05 * np.roll(image, making.SIDE // 2, axis=0) for image in shaded]
    levels = [
        measured.value
        for name, images in (("shaded", shaded), ("ghosted", ghosted))
        if (measured := assessed(tmp_path / name, images).measurement("mr_ghost")) is not None
    ]
    assert levels[0] == 0.0
    assert levels[1] > 2.5


@pytest.mark.parametrize("share", [0.2, 0.35])
def test_what_was_not_scanned_is_no_air(tmp_path: Path, share: float) -> None:
    """Corners of a distortion correction, around which noise was taken."""
    y, x = np.abs(np.mgrid[-1 : 1 : making.SIDE * 1j, -1 : 1 : making.SIDE * 1j])
    inside = (x < 1 - share * y**2) & (y < 1 - share * x**2)
    plain = [30.0 * making.head_mr(seed=seed) for seed in range(8)]  # of few grey levels noise has coarse steps
    images = [image * inside for image in plain]
    corrected, whole = assessed(tmp_path / "a", images), assessed(tmp_path / "b", plain)
    for name in ("mr_snrd", "mr_noise"):
        before, after = whole.measurement(name), corrected.measurement(name)
        assert before is not None
        assert after is not None
        assert after.value == pytest.approx(before.value, rel=0.1, abs=0.5), name
