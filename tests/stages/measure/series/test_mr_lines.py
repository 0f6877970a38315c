"""Lines of an MR series: interference that lies over the picture, and raw data that it lacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged, numbers


def head(seed: int) -> making.Image:
    """With structure in it, as a brain has."""
    image = making.head_mr(air=4.0, seed=seed)
    structure = cv2.GaussianBlur(np.random.default_rng(5).normal(size=image.shape), (0, 0), 0.7)
    return np.asarray(image * (1.0 + 0.5 * structure))


def measured(folder: Path, change: Callable[[making.Image], making.Image]) -> dict[str, float]:
    return numbers(judged(making.write_series(folder, [change(head(seed)) for seed in range(6)], "MR")))


def with_zipper(image: making.Image) -> making.Image:
    zipped = image.copy()
    zipped[::2, 60] += 180.0  # 30 % of the signal
    return zipped


def without_lines(image: making.Image, axis: int) -> making.Image:
    spectrum = np.fft.fftshift(np.fft.fft2(image))
    lost: list[slice | list[int]] = [slice(None), slice(None)]
    lost[axis] = [making.SIDE // 2 + line for line in range(14, 22)]
    spectrum[lost[0], lost[1]] = 0.0
    return np.abs(np.fft.ifft2(np.fft.ifftshift(spectrum)))


def test_a_zipper_has_its_brightness(tmp_path: Path) -> None:
    assert 15.0 < measured(tmp_path, with_zipper)["mr_zipper"] < 35.0, "noise takes from it"


@pytest.mark.parametrize("axis", [0, 1])
def test_lost_lines_are_gaps(tmp_path: Path, axis: int) -> None:
    assert measured(tmp_path, lambda image: without_lines(image, axis))["mr_raw_lines"] > 3.0


@pytest.mark.more
def test_a_sound_head_has_neither(tmp_path: Path) -> None:
    values = measured(tmp_path, lambda image: image)
    assert values["mr_zipper"] < 5.0
    assert values["mr_raw_lines"] < 3.0
