"""CT measurements against bodies whose fat, sharpness, rings, streaks, noise and tilt are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.dataset import FileDataset

from tests.stages.measure.series import making
from tests.stages.measure.series.making import SIDE, Image
from tests.stages.measure.series.test_ct_measures import measured
from tests.stages.measure.series.test_measures import judged, numbers


def test_phases_at_one_place_do_not_add_up_to_a_ring(tmp_path: Path) -> None:
    """Anatomy that is around the middle goes on in the phases of one place, not in the places of one phase."""
    paths: list[Path] = []
    for phase in range(3):
        images = []
        for place in range(6):
            rng = np.random.default_rng(place)
            bump = cv2.GaussianBlur(rng.normal(0.0, 1.0, (SIDE, SIDE)), (0, 0), 3.0)
            image = making.layered_ct(seed=10 * phase + place) + 25.0 * bump / bump.std()
            images.append(image)

        def change(dataset: FileDataset, phase: int = phase) -> None:
            making.fine(dataset)
            dataset.TemporalPositionIdentifier = phase + 1

        places = [5.0 * place for place in range(6)]
        paths += making.write_series(tmp_path / "all", images, "CT", places, change, 1 + len(paths))
    alone = numbers(judged(paths[:6]))["ring_index"]
    assert numbers(judged(paths))["ring_index"] == pytest.approx(alone, abs=1.5)


def test_noise_of_the_last_slices_is_that_of_the_series(tmp_path: Path) -> None:
    noise_hu = [20.0] * 10 + [65.0] * 2
    images = [making.body_ct(one, seed=seed) for seed, one in enumerate(noise_hu)]
    result = judged(making.write_series(tmp_path / "a", images, "CT"))
    noise = next(one for one in result.assessment.measurements if one.name == "ct_noise")
    assert noise.value == pytest.approx(65.0, rel=0.07)
    assert noise.place == "slice 11 of 12, Instance Number 11"
    shoulders = [making.body_ct(one, seed=seed) for seed, one in enumerate([20.0] * 10 + [40.0] * 2)]
    usual = numbers(judged(making.write_series(tmp_path / "b", shoulders, "CT")))
    assert usual["ct_noise"] == pytest.approx(20.0, rel=0.07)


def test_more_of_a_body_cut_off_is_more_truncation_although_lungs_are_open(tmp_path: Path) -> None:
    shares = []
    for right_px in (0, 35, 50, 70, 90):
        images = [making.chest_ct(seed, right_px) for seed in range(2)]
        shares.append(numbers(judged(making.write_series(tmp_path / str(right_px), images, "CT")))["truncation"])
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert shares[1] > 7.0


def test_shoulders_make_streaks_on_a_few_slices_and_are_no_fault(tmp_path: Path) -> None:
    plain = [making.layered_ct(seed=seed) for seed in range(6)]
    few = [making.with_streaks(one) if place < 1 else one for place, one in enumerate(plain)]
    many = [making.with_streaks(one) if place < 3 else one for place, one in enumerate(plain)]
    values = [
        numbers(judged(making.write_series(tmp_path / str(number), images, "CT", change=making.fine)))["streak_index"]
        for number, images in enumerate((plain, few, many))
    ]
    assert values[1] < 2.0 * values[0]
    assert values[2] > 5.0 * values[0]


def test_rings_around_the_middle_are_found_and_anatomy_is_none(tmp_path: Path) -> None:
    def ring(image: Image) -> Image:
        y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
        return np.asarray(image + 25.0 * (np.abs(np.hypot(y, x) - 30.0) < 1.0))

    assert measured(tmp_path / "plain")["ring_index"] < 4.0
    assert measured(tmp_path / "rings", ring)["ring_index"] > 12.0
    aside = measured(tmp_path / "aside", lambda image: np.roll(ring(np.zeros_like(image)), 20, axis=1) + image)
    assert aside["ring_index"] < 6.0, "a circle around another point is a vessel or a bowel"


def test_lines_in_tissue_and_structure_in_air_are_streaks(tmp_path: Path) -> None:
    def lines(image: Image) -> Image:
        return np.asarray(image + 40.0 * np.sin(np.arange(SIDE) * 1.2)[:, None] * (image > -900.0))

    plain = measured(tmp_path / "plain")
    assert plain["streak_direction"] < 4.0
    assert measured(tmp_path / "lines", lines)["streak_direction"] > 50.0
    rays = measured(tmp_path / "rays", making.with_streaks)
    assert rays["streak_index"] > 5.0 * plain["streak_index"]


@pytest.mark.parametrize("shift", [(7, 9), (0, 9), (9, 0)])
def test_a_shifted_copy_in_the_slice_is_an_echo(tmp_path: Path, shift: tuple[int, int]) -> None:
    def textured(image: Image) -> Image:
        picture = np.random.default_rng(5).normal(0.0, 60.0, image.shape)
        return np.asarray(image + cv2.GaussianBlur(picture, (0, 0), 0.8) * (image > -50.0))

    def doubled(image: Image) -> Image:
        single = textured(image)
        return np.asarray((single + np.roll(single, shift, (0, 1))) / 2.0)

    plain = measured(tmp_path / "plain", textured, 5)["doubled_contours"]
    assert measured(tmp_path / "doubled", doubled, 5)["doubled_contours"] > 2.7 * plain
