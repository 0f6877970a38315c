"""CT measurements against bodies whose fat, sharpness, rings, streaks, noise and tilt are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.stages.measure.series_view import SeriesView, SliceTools
from miqa_node.stages.measure.slices import Slice
from miqa_series.ct.noise import CLASSES, CT_NOISE, SliceNoise
from miqa_series.ct.truncation import field_edge, open_lungs
from tests.runtime.store.making import header
from tests.stages.measure.series import making
from tests.stages.measure.series.making import SIDE, SPACING_MM, Image
from tests.stages.measure.series.test_measures import judged, numbers


def measured(folder: Path, change: Callable[[Image], Image] = lambda image: image, slices: int = 6) -> dict[str, float]:
    """Numbers of a series of layered slices, each changed."""
    images = [change(making.layered_ct(seed=seed)) for seed in range(slices)]
    return numbers(judged(making.write_series(folder, images, "CT", change=making.fine)))


def test_the_tissues_of_a_body_have_their_hounsfield_units(tmp_path: Path) -> None:
    values = measured(tmp_path)
    assert values["hu_air"] == pytest.approx(-1000.0, abs=2.0)
    assert values["hu_fat"] == pytest.approx(-100.0, abs=3.0)
    assert values["hu_soft_tissue"] == pytest.approx(50.0, abs=2.0)
    assert values["hu_offset"] == pytest.approx(0.0, abs=3.0)
    assert values["ct_snr"] == pytest.approx((1000.0 + values["hu_soft_tissue"]) / values["ct_noise"])


@pytest.mark.parametrize("shift_hu", [-30.0, 30.0])
def test_a_shift_of_all_values_is_the_offset(tmp_path: Path, shift_hu: float) -> None:
    assert measured(tmp_path, lambda image: image + shift_hu)["hu_offset"] == pytest.approx(shift_hu, abs=3.0)


def test_a_wrong_value_of_water_is_an_offset_although_air_is_right(tmp_path: Path) -> None:
    values = measured(tmp_path, lambda image: (image + 1000.0) * 1.03 - 1000.0)
    assert values["hu_air"] == pytest.approx(-1000.0, abs=2.0)
    assert values["hu_offset"] == pytest.approx(28.0, abs=4.0)


def test_contrast_medium_is_no_offset(tmp_path: Path) -> None:
    enhanced = measured(tmp_path, lambda image: np.where(image > 0.0, image + 50.0, image))
    assert enhanced["hu_soft_tissue"] > 90.0
    assert abs(enhanced["hu_offset"]) < 3.0


def test_one_ring_is_found_where_lungs_leave_few_sectors(tmp_path: Path) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    ring = 40.0 * (np.abs(np.hypot(y, x) - 46.0) < 1.0)
    plain = [making.chest_ct(seed) for seed in range(4)]
    values = [
        numbers(judged(making.write_series(tmp_path / str(number), images, "CT", change=making.fine)))["ring_index"]
        for number, images in enumerate((plain, [one + ring for one in plain]))
    ]
    assert values[0] < 6.0
    assert values[1] > 12.0


def test_a_body_that_a_square_field_holds_is_not_truncated(tmp_path: Path) -> None:
    """Image values outside of the circle show that all of the square was reconstructed."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    shares = []
    for right_px in (0, 30):
        body = np.where((abs(x - right_px) < 85) & (abs(y) < 70), 40.0, -1000.0)
        images = [body + np.random.default_rng(seed).normal(0.0, 8.0, body.shape) for seed in range(2)]
        shares.append(numbers(judged(making.write_series(tmp_path / str(right_px), images, "CT")))["truncation"])
    assert shares[0] == 0.0
    assert shares[1] > 7.0


def test_a_small_square_that_a_round_body_fills_was_chosen(tmp_path: Path) -> None:
    images = [making.body_ct(radius_mm=205.0, seed=seed) for seed in range(2)]
    assert "truncation" not in numbers(judged(making.write_series(tmp_path, images, "CT", change=making.fine)))


def decode_nothing(*_: Any) -> Any:
    raise AssertionError


NAMELESS = InstanceDigest("0" * 64)


def test_shoulders_behind_a_head_are_no_noise_of_a_part() -> None:
    """Of 20 slices each, as in CT angiography of head and neck; the shoulders have three times the noise."""
    head, shoulders = (
        np.bincount([2 * noise] * windows, minlength=CLASSES) for noise, windows in ((20, 5000), (65, 900))
    )
    parts = [SliceNoise(place, head if place < 20 else shoulders) for place in range(40)]
    few = [SliceNoise(place, shoulders if place in {20, 21, 22} else head) for place in range(40)]
    assert CT_NOISE.take is not None
    slices = [
        Slice(
            InstanceDigest("0" * 64),
            Path(),
            0,
            place + 1,
            8,
            8,
            (0.0, 0.0, place),
            None,
            None,
            None,
            1.0,
            0.0,
            None,
            None,
        )
        for place in range(40)
    ]
    series = SeriesView(header(1), tuple(slices), SliceTools(decode_nothing))
    values = [CT_NOISE.take(series, one) for one in (parts, few)]
    assert [one.value if isinstance(one, Measurement) else one for one in values] == pytest.approx([20, 65], abs=1)


def test_air_and_table_below_a_body_that_touches_both_sides_are_no_lung() -> None:
    image = np.full((128, 128), -930.0, np.float32)
    image[:30], image[40:70] = -1000.0, 40.0
    body = image == 40.0
    assert not open_lungs(image, body, field_edge(image)).any()


def test_noise_at_a_cut_off_of_air_is_no_offset(tmp_path: Path) -> None:
    images = [np.maximum(making.layered_ct(40.0, seed), -1000.0) for seed in range(4)]
    assert abs(numbers(judged(making.write_series(tmp_path, images, "CT", change=making.fine)))["hu_offset"]) < 6.0


@pytest.mark.parametrize(("texture_px", "least", "most"), [(0.0, 90.0, 110.0), (1.0, 0.0, 15.0)])
def test_white_noise_is_told_from_that_of_a_kernel(
    tmp_path: Path, texture_px: float, least: float, most: float
) -> None:
    images = [making.layered_ct(20.0, seed, texture_px) for seed in range(4)]
    values = numbers(judged(making.write_series(tmp_path, images, "CT", change=making.fine)))
    assert least < values["noise_whiteness"] < most


@pytest.mark.parametrize(
    ("elements", "mas"),
    [
        ({"Exposure": "80"}, 80.0),
        ({"Exposure": "80", "XRayTubeCurrent": "320", "ExposureTime": "1000"}, 320.0),
        ({"Exposure": "80", "XRayTubeCurrent": "80", "ExposureTime": "51000"}, 80.0),
        ({"Exposure": None, "XRayTubeCurrent": "160", "ExposureTime": "500", "SpiralPitchFactor": 0.5}, 160.0),
        ({"Exposure": None}, None),
    ],
)
def test_noise_for_dose_grows_with_the_dose_of_a_rotation(
    tmp_path: Path, elements: dict[str, str | float | None], mas: float | None
) -> None:
    def exposed(dataset: FileDataset) -> None:
        making.fine(dataset)
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    images = [making.layered_ct(seed=seed) for seed in range(2)]
    values = numbers(judged(making.write_series(tmp_path / "a", images, "CT", change=making.fine)))
    changed = numbers(judged(making.write_series(tmp_path / "b", images, "CT", change=exposed)))
    if mas is None:
        assert "noise_for_dose" not in changed
        return
    assert changed["noise_for_dose"] == pytest.approx(values["noise_for_dose"] * np.sqrt(mas / 20.0))
    assert changed["normalised_noise"] == values["normalised_noise"]


@pytest.mark.parametrize("edge_px", [1.0, 1.5])
def test_the_transfer_at_the_skin_is_that_of_the_blur(tmp_path: Path, edge_px: float) -> None:
    images = [making.layered_ct(8.0, seed, 1.0, edge_px) for seed in range(6)]
    values = numbers(judged(making.write_series(tmp_path, images, "CT", change=making.fine)))
    # √(2 ln 2) / (2π σ), and the pixel's own aperture is none in a sampled edge
    assert values["skin_mtf_50"] == pytest.approx(np.sqrt(2.0 * np.log(2.0)) / (2.0 * np.pi * edge_px), rel=0.12)


def test_tilt_dose_and_coverage_come_from_headers(tmp_path: Path) -> None:
    def tilted(dataset: FileDataset) -> None:
        x, y, place = (float(value) for value in dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y - place * np.tan(np.radians(20.0)), place]
        dataset.BodyPartExamined = "CHEST"

    images = [making.body_ct(seed=seed) for seed in range(6)]
    values = numbers(judged(making.write_series(tmp_path, images, "CT", change=tilted)))
    assert values["gantry_tilt"] == pytest.approx(20.0, abs=0.1)
    assert values["coverage"] == pytest.approx(30.0)
    assert values["region_coverage"] == pytest.approx(10.0)
    assert values["dlp"] == pytest.approx(8.5 * 3.0)


def test_a_body_in_a_small_circle_of_padding_is_truncated(tmp_path: Path) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    outside = np.hypot(y, x) * SPACING_MM > 100.0
    padded = [np.where(outside, -1024.0, making.body_ct(seed=seed)) for seed in range(3)]
    values = numbers(judged(making.write_series(tmp_path, padded, "CT")))
    assert values["truncation"] > 15.0


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
def test_more_of_a_body_cut_off_is_more_truncation_although_lungs_are_open(tmp_path: Path) -> None:
    shares = []
    for right_px in (0, 35, 50, 70, 90):
        images = [making.chest_ct(seed, right_px) for seed in range(2)]
        shares.append(numbers(judged(making.write_series(tmp_path / str(right_px), images, "CT")))["truncation"])
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert shares[1] > 7.0


@pytest.mark.more
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


@pytest.mark.more
def test_rings_around_the_middle_are_found_and_anatomy_is_none(tmp_path: Path) -> None:
    def ring(image: Image) -> Image:
        y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
        return np.asarray(image + 25.0 * (np.abs(np.hypot(y, x) - 30.0) < 1.0))

    assert measured(tmp_path / "plain")["ring_index"] < 4.0
    assert measured(tmp_path / "rings", ring)["ring_index"] > 12.0
    aside = measured(tmp_path / "aside", lambda image: np.roll(ring(np.zeros_like(image)), 20, axis=1) + image)
    assert aside["ring_index"] < 6.0, "a circle around another point is a vessel or a bowel"


@pytest.mark.more
def test_lines_in_tissue_and_structure_in_air_are_streaks(tmp_path: Path) -> None:
    def lines(image: Image) -> Image:
        return np.asarray(image + 40.0 * np.sin(np.arange(SIDE) * 1.2)[:, None] * (image > -900.0))

    plain = measured(tmp_path / "plain")
    assert plain["streak_direction"] < 4.0
    assert measured(tmp_path / "lines", lines)["streak_direction"] > 50.0
    rays = measured(tmp_path / "rays", making.with_streaks)
    assert rays["streak_index"] > 5.0 * plain["streak_index"]


@pytest.mark.more
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
