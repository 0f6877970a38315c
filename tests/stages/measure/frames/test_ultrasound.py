"""Ultrasound: each fault moves its own measure far, and an ordinary picture does not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset

from miqa_series.us.beams import find_sector
from tests.stages.measure.frames.making import Image, speckle, values, write


def region(dataset: Dataset, bottom: int = 255) -> None:
    """A calibrated region of tissue that is the whole picture."""
    one = Dataset()
    one.RegionSpatialFormat, one.RegionDataType = 1, 1
    one.RegionLocationMinX0, one.RegionLocationMinY0 = 0, 0
    one.RegionLocationMaxX1, one.RegionLocationMaxY1 = 319, bottom
    one.PhysicalUnitsXDirection = one.PhysicalUnitsYDirection = 3
    one.PhysicalDeltaX = one.PhysicalDeltaY = 0.02
    dataset.SequenceOfUltrasoundRegions = [one]


def dead(image: Image, share: float = 0.2) -> Image:
    changed = image.copy()
    changed[:, 150:160] *= share
    return changed


@pytest.fixture
def tissue(tmp_path: Path) -> dict[str, float]:
    return values(write(tmp_path / "tissue.dcm", "US", [speckle()], region))


def test_ordinary_tissue_is_ordinary(tissue: dict[str, float]) -> None:
    assert tissue["us_calibrated_regions"] == 1
    assert 12 < tissue["us_gain"] < 35
    assert tissue["us_white_share"] < 2
    assert tissue["us_filled_depth"] == 100
    assert tissue["us_dropout"] < 45
    assert "frames_repeated" not in tissue


@pytest.mark.parametrize("seed", range(6))
def test_dead_elements_are_told_from_tissue(tmp_path: Path, seed: int) -> None:
    image = speckle(seed)
    sound, broken = (values(write(tmp_path / "one.dcm", "US", [one], region)) for one in (image, dead(image)))
    assert broken["us_dropout"] > 60 > 1.2 * sound["us_dropout"]


def test_in_a_clip_what_moves_is_no_dead_element(tmp_path: Path) -> None:
    shadows = [speckle(seed) for seed in range(6)]
    for number, image in enumerate(shadows):
        image[:, 40 * number + 30 : 40 * number + 42] *= 0.2
    stuck = [dead(speckle(seed)) for seed in range(6)]
    moving, still = (values(write(tmp_path / "clip.dcm", "US", one, region)) for one in (shadows, stuck))
    assert moving["us_dropout"] < 40
    assert still["us_dropout"] > 65


def test_gain_and_depth(tmp_path: Path, tissue: dict[str, float]) -> None:
    loud = values(write(tmp_path / "loud.dcm", "US", [4 * speckle()], region))
    quiet = values(write(tmp_path / "quiet.dcm", "US", [0.3 * speckle()], region))
    deep = speckle()
    deep[100:] = 0
    assert loud["us_white_share"] > 20 > tissue["us_white_share"]
    assert loud["us_gain"] > 2 * tissue["us_gain"]
    assert quiet["us_gain"] < 0.5 * tissue["us_gain"]
    assert quiet["us_black_share"] > 3 * tissue["us_black_share"]
    assert values(write(tmp_path / "deep.dcm", "US", [deep], region))["us_filled_depth"] == pytest.approx(39, abs=2)


def test_without_a_region_in_the_picture_nothing_is_calibrated(tmp_path: Path) -> None:
    for change in (None, lambda ds: region(ds, bottom=511)):
        assert values(write(tmp_path / "no.dcm", "US", [speckle()], change))["us_calibrated_regions"] == 0


def test_frozen_and_late_frames(tmp_path: Path) -> None:
    def late(dataset: Dataset) -> None:
        dataset.FrameTimeVector = [0, 40, 40, 40, 120, 40, 40, 40, 40]

    frames = [speckle(seed, (64, 80)) for seed in range(9)]
    moving = values(write(tmp_path / "run.dcm", "US", frames, late))
    frozen = values(write(tmp_path / "frozen.dcm", "US", [*frames[:5], *[frames[4]] * 4]))
    assert (moving["frames_repeated"], moving["frame_gaps"]) == (0, 1)
    assert frozen["frames_repeated"] == 50
    assert "frame_gaps" not in frozen


def test_an_arched_transducer_has_beams_around_a_point() -> None:
    part = np.zeros((240, 320), np.float32)
    cv2.ellipse(part, (160, -60), (280, 280), 0, 60, 120, 90.0, -1)
    cv2.circle(part, (160, -60), 90, 0.0, -1)
    fan = find_sector(part, (0, 240, 0, 320))
    assert fan is not None
    assert np.hypot(fan.x - 160, fan.y + 60)[0] == pytest.approx(np.full(128, 90.0), abs=8)
    assert not fan.is_from_a_point
