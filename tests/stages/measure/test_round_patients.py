"""A patient that is as round and as even as a phantom stays a patient; drawn volumes, for want of real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.stages.measure.drawn_series import SIDE, Image, judged, write
from tests.stages.measure.test_slice_kinds import given


def circle(radius: float, x_off: float = 0.0, y_off: float = 0.0) -> Image:
    """Distance from the middle, in radii."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return np.asarray(np.hypot(y - y_off, x - x_off) / radius)


def noisy(image: Image, seed: int) -> Image:
    """With noise of 4 HU."""
    return np.asarray(image + np.random.default_rng(seed).normal(0.0, 4.0, image.shape))


def childs_head(seed: int) -> Image:
    """A round head: brain, skull and scalp, on CT."""
    image = np.where(circle(58) < 1, 40.0, -1000.0)
    image[(circle(52) < 1) & (circle(48) >= 1)] = 900.0
    image[circle(48) < 1] = 32.0
    image[circle(7, 6.0 * (-1) ** seed, 4.0) < 1] = 8.0
    return noisy(image, seed)


def bandaged(seed: int) -> Image:
    """The same in a bandage, which is a circle."""
    image = np.where((circle(66) < 1) & (circle(58) >= 1), -150.0, childs_head(seed))
    return noisy(image, seed)


def implant(seed: int) -> Image:
    """A chest with a breast implant, which is a circle of one material."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    image = np.where(np.hypot(y / 0.65, x) < 66, 45.0, -1000.0)
    image[np.hypot(y / 0.8, np.abs(x) - 28) < 20] = -850.0
    image[circle(18, 30, -40) < 1] = 120.0
    return noisy(image, seed)


def water(seed: int) -> Image:
    """A bottle."""
    return noisy(np.where(circle(60) < 1, 0.0, -1000.0), seed)


def disc_with_inserts(seed: int) -> Image:
    """Magnitude of an ACR phantom: a disc with dark blocks and rods, on a coarse image."""
    image = np.where(circle(60) < 1, 500.0, 0.0)
    for row in range(-44, 45, 22):
        for column in range(-44, 45, 22):
            image[circle(7, column, row) < 1] *= 0.8
    return np.abs(noisy(image, seed))


@pytest.mark.parametrize("draw", [childs_head, bandaged, implant], ids=lambda one: one.__name__)
def test_a_patient_stays_one(draw: object, tmp_path: Path) -> None:
    images = [draw(seed) for seed in range(8)]  # type: ignore[operator]
    assessment, _ = judged(write(tmp_path, images, "CT", given(BodyPartExamined="HEAD")))
    assert assessment.phantom == ""


def test_a_bottle_is_a_phantom(tmp_path: Path) -> None:
    assessment, disposition = judged(write(tmp_path, [water(seed) for seed in range(8)], "CT"))
    assert "test object" in assessment.phantom
    assert not disposition.flagged


@pytest.mark.more
def test_a_round_object_with_inserts_is_one_if_the_header_names_it(tmp_path: Path) -> None:
    images = [disc_with_inserts(seed) for seed in range(8)]
    named = given(ScanningSequence="EP", PatientName="Phantom^GE")
    assert judged(write(tmp_path / "named", images, "MR", named))[0].phantom != ""
    assert judged(write(tmp_path / "plain", images, "MR", given(ScanningSequence="EP")))[0].phantom == ""
