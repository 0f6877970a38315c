"""Test objects are told as such whatever their encoding: a head in a bone shell, a sphere in an enhanced image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.stages.measure.drawn_series import Image, judged, write
from tests.stages.measure.test_round_patients import circle, noisy
from tests.stages.measure.test_same_numbers import enhanced
from tests.stages.measure.test_slice_kinds import given

pytestmark = pytest.mark.more


def shell(seed: int) -> Image:
    """A head of plastic: one material in a shell of bone, with a few inserts."""
    image = np.where(circle(62) < 1, 1000.0, -1000.0)
    image[circle(56) < 1] = 40.0
    for x_off, y_off in ((-22.0, -10.0), (18.0, 20.0)):
        image[circle(6, x_off, y_off) < 1] = 60.0
    return noisy(image, seed)


@pytest.mark.parametrize("thickness_mm", [5.0, 2.5])
def test_a_head_phantom_in_bone_is_one_if_the_header_names_it(thickness_mm: float, tmp_path: Path) -> None:
    """By pixels alone it is a child's head, which never becomes a phantom."""
    images = [shell(seed) for seed in range(8)]
    phantom = given(BodyPartExamined="HEAD", SliceThickness=str(thickness_mm), PatientName="Head phantom")
    named, disposition = judged(write(tmp_path / "named", images, "CT", phantom, step_mm=thickness_mm))
    assert named.phantom
    assert not disposition.flagged
    plain = given(BodyPartExamined="HEAD", SliceThickness=str(thickness_mm))
    unnamed, disposition = judged(write(tmp_path / "plain", images, "CT", plain, step_mm=thickness_mm))
    assert not unnamed.phantom
    assert not disposition.flagged


def sphere(seed: int) -> Image:
    """Magnitude of a sphere of oil in the middle slices."""
    random = np.random.default_rng(seed)
    real, imaginary = (random.normal(0.0, 4.0, (160, 160)) for _ in range(2))
    return np.asarray(np.hypot(np.where(circle(55 - abs(seed - 3)) < 1, 500.0, 0.0) + real, imaginary))


def test_a_sphere_is_one_as_slices_and_as_frames(tmp_path: Path) -> None:
    paths = write(tmp_path / "classic", [sphere(seed) for seed in range(8)], "MR")
    for files in (paths, [enhanced(paths, tmp_path / "enhanced.dcm")]):
        assessment, disposition = judged(files)
        assert "test object" in assessment.phantom
        assert not disposition.flagged
