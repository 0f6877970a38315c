"""Each measurement finds the known property of a phantom, and none breaks on an odd image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.stages.measure.projection import measure
from tests.stages.measure.phantoms import PITCH_MM, chest, edges, header, radiograph


def values(image: Radiograph, **changes: object) -> dict[str, float]:
    return {one.name: one.value for one in measure(image, header(**changes))}


def units(image: Radiograph) -> dict[str, str]:
    return {one.name: one.unit for one in measure(image, header())}


def test_blur_lowers_every_sharpness_measure() -> None:
    sharpness = [values(radiograph(edges(sigma))) for sigma in (0.7, 1.5, 3.0, 6.0)]
    for name in ("laplacian_variance", "tenengrad"):
        series = [one[name] for one in sharpness]
        assert series == sorted(series, reverse=True)
        assert series[0] > 2 * series[-1]
    slopes = [one["edge_slope_10_90"] for one in sharpness]
    assert slopes == sorted(slopes)


@pytest.mark.parametrize("sigma_px", [1.0, 2.0, 4.0, 8.0])
def test_the_edge_slope_of_a_gaussian_blur_is_2_56_sigma(sigma_px: float) -> None:
    """10–90 % of a Gaussian edge is 2 · 1.2816 · σ; bilinear sampling widens it a little."""
    numbers = values(radiograph(edges(sigma_px) + np.random.default_rng(3).normal(0, 4, (384, 384))))
    assert numbers["edge_slope_10_90"] == pytest.approx(2.563 * sigma_px * PITCH_MM, rel=0.12)
    assert numbers["edge_width_10_90"] == pytest.approx(2.563 * sigma_px, rel=0.12)


@pytest.mark.parametrize("sigma", [1.0, 3.0, 10.0, 60.0])
def test_noise_of_known_sigma_is_recovered_within_10_percent(sigma: float) -> None:
    noise = np.random.default_rng(2).normal(0, sigma, (512, 512))
    numbers = values(radiograph(chest(noise=0) + noise))
    # Rounding to whole numbers adds the variance of a uniform distribution.
    expected = math.sqrt(sigma**2 + 1 / 12)
    assert numbers["noise_sigma"] == pytest.approx(expected, rel=0.10)
    assert numbers["local_variance_mode"] == pytest.approx(expected**2, rel=0.15)


def test_noise_is_that_of_the_stored_values_whatever_the_display() -> None:
    image = radiograph(chest(noise=20.0))
    dark = Radiograph(image.stored, np.zeros_like(image.display), image.stored_range, image.spacing_mm)
    assert values(image)["noise_sigma"] == values(dark)["noise_sigma"]


def test_saturated_pixels_do_not_hide_the_noise() -> None:
    image = chest(noise=20.0)
    image[:300] = 4095.0
    assert values(radiograph(image))["noise_sigma"] == pytest.approx(20.0, rel=0.1)


def test_snr_of_an_8_bit_image_is_not_made_of_its_steps() -> None:
    fine, coarse = radiograph(chest(noise=48.0)), radiograph(chest(noise=48.0) / 16, bits=8)
    for name in ("snr_lung", "cnr_lung_mediastinum"):
        assert values(coarse)[name] == pytest.approx(values(fine)[name], rel=0.15)


@pytest.mark.parametrize(("cycles_per_px", "angle"), [(0.21, 0.0), (0.37, 0.0), (0.30, 0.5), (0.25, 90.0)])
def test_grid_lines_are_found_at_their_frequency(cycles_per_px: float, angle: float) -> None:
    y, x = np.mgrid[0:512, 0:512]
    across = x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle))
    plain = chest(noise=10.0)
    lined = plain * (1.0 + 0.01 * np.sin(2 * np.pi * cycles_per_px * across))
    numbers = values(radiograph(lined))
    assert numbers["grid_frequency"] == pytest.approx(cycles_per_px / PITCH_MM, rel=0.02)
    assert numbers["grid_peak"] > 12
    assert numbers["grid_peak"] > values(radiograph(plain))["grid_peak"] + 8
    assert units(radiograph(lined))["grid_frequency"] == "{lp}/mm"
    assert units(radiograph(lined, spacing_mm=None))["grid_frequency"] == "1/{pixel}"


def test_range_use_of_a_ramp() -> None:
    ramp = np.tile(np.linspace(0, 4095, 1024), (256, 1))
    numbers = values(radiograph(ramp))
    assert numbers["brightness"] == pytest.approx(50.0, abs=0.1)
    assert numbers["contrast"] == pytest.approx(100.0 / math.sqrt(12), abs=0.1)
    assert numbers["entropy"] == pytest.approx(8.0, abs=0.01)
    assert numbers["used_range_share"] == pytest.approx(98.0, abs=0.5)
    half = values(radiograph(ramp / 2))
    assert half["used_range_share"] == pytest.approx(49.0, abs=0.5)
    assert half["entropy"] == pytest.approx(7.0, abs=0.05)


def test_saturation_counts_both_ends_and_what_only_the_window_cuts() -> None:
    image = chest(noise=20.0)
    image[:51] = 0.0
    image[-102:] = 4095.0
    numbers = values(radiograph(image))
    assert numbers["pixels_at_minimum"] == pytest.approx(100 * 51 / 512, abs=0.5)
    assert numbers["pixels_at_maximum"] == pytest.approx(100 * 102 / 512, abs=0.5)
    assert numbers["clipped_by_voi"] == pytest.approx(0.0, abs=0.1)
    whole = radiograph(chest(noise=20.0))
    windowed = np.clip((whole.stored.astype(float) - 2000) * 32.7675, 0, 65535).astype(np.uint16)
    cut = values(Radiograph(whole.stored, windowed, whole.stored_range, whole.spacing_mm))
    below = 100 * float(np.mean(whole.stored <= 2000))
    assert cut["clipped_by_voi"] == pytest.approx(below, abs=2.0)


def test_symmetry_falls_when_one_side_is_missing() -> None:
    image = chest()
    whole = values(radiograph(image))["left_right_symmetry"]
    assert whole > 0.95
    shifted = image.copy()
    shifted[:, 300:] = 100
    assert values(radiograph(shifted))["left_right_symmetry"] < whole - 0.3


def test_border_contact_tells_a_cut_body_from_a_whole_one() -> None:
    disc = np.full((512, 512), 100.0)
    y, x = np.mgrid[0:512, 0:512]
    disc[(x - 256) ** 2 + (y - 256) ** 2 < 150**2] = 2500
    noise = np.random.default_rng(4).normal(0, 10, disc.shape)
    assert values(radiograph(disc + noise))["border_contact"] == 0.0
    assert values(radiograph((disc + noise)[136:376, 136:376]))["border_contact"] == pytest.approx(75, abs=5)
    one_side = np.roll(disc, -150, axis=1)
    one_side[:, 362:] = 100.0
    assert 8 < values(radiograph(one_side + noise))["border_contact"] < 20


def test_exposure_indices_come_from_the_header_and_the_deviation_is_computed() -> None:
    image = radiograph(chest())
    numbers = values(image, exposure_index=200.0, target_exposure_index=400.0, deviation_index=-3.3)
    assert (numbers["exposure_index"], numbers["target_exposure_index"], numbers["deviation_index"]) == (
        200.0,
        400.0,
        -3.3,
    )
    computed = values(image, exposure_index=200.0, target_exposure_index=400.0, deviation_index=None)
    assert computed["deviation_index"] == pytest.approx(10 * math.log10(0.5))
    none = values(image, exposure_index=None, target_exposure_index=0.0)
    assert not {"exposure_index", "target_exposure_index", "deviation_index"} & set(none)


def test_padding_takes_no_part() -> None:
    image = chest(400, 400, noise=15.0)
    framed = np.zeros((600, 640))
    valid = np.zeros(framed.shape, dtype=bool)
    framed[100:500, 120:520] = image
    valid[100:500, 120:520] = True
    plain, padded = values(radiograph(image)), values(radiograph(framed, valid=valid))
    # Padding lies outside the exposed field, which ends where the picture begins.
    of_field = [name for name in plain if name.startswith("field_")]
    assert padded["field_sides"] == 4.0
    assert padded["field_outside_share"] == round(100 * (1 - valid.mean()), 2)
    for name in of_field:
        del plain[name], padded[name]
    assert plain == pytest.approx(padded)


def test_irregular_padding_adds_no_edges_and_no_noise() -> None:
    image = chest(512, 512, noise=15.0)
    y, x = np.mgrid[0:512, 0:512]
    valid = (x - 256) ** 2 + (y - 256) ** 2 < 250**2
    image[~valid] = 4095
    plain, padded = values(radiograph(chest(512, 512, noise=15.0))), values(radiograph(image, valid=valid))
    for name in ("noise_sigma", "local_variance_mode"):
        assert padded[name] == pytest.approx(plain[name], rel=0.1), name
    assert padded["laplacian_variance"] < 1.1 * plain["laplacian_variance"]
    assert padded["tenengrad"] < 1.5 * plain["tenengrad"]
    assert padded["pixels_at_maximum"] < 1.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (2, 3), (31, 33), (33, 4000), (64, 64), (65, 65), (100, 33)])
@pytest.mark.parametrize("kind", ["constant", "noise", "one pixel", "two halves"])
def test_odd_images_give_finite_numbers_or_none(shape: tuple[int, int], kind: str) -> None:
    image = np.full(shape, 700.0)
    if kind == "noise":
        image += np.random.default_rng(5).normal(0, 100, shape)
    elif kind == "one pixel":
        image[0, 0] = 4000.0
    elif kind == "two halves":
        image[:, shape[1] // 2 :] = 3000.0
    for valid in (None, np.zeros(shape, bool), np.eye(*shape, dtype=bool)):
        for measurement in measure(radiograph(image, valid=valid), header()):
            assert math.isfinite(measurement.value), measurement
            assert isinstance(measurement.value, float), measurement
            if measurement.unit == "%":
                assert -1e-6 <= measurement.value, measurement  # noqa: SIM300 - reads as the range it is


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
def test_any_integer_type_is_measured(dtype: str) -> None:
    info = np.iinfo(dtype)
    random = np.random.default_rng(6)
    stored: Any = random.normal((int(info.min) + int(info.max)) / 2, (int(info.max) - int(info.min)) / 16, (128, 128))
    stored = np.clip(stored, info.min, info.max).astype(dtype)
    display = cv2.normalize(stored.astype(np.float64), np.empty(0), 0, 65535, cv2.NORM_MINMAX).astype(np.uint16)
    image = Radiograph(stored, display, (int(info.min), int(info.max)), None)
    numbers = values(image)
    assert numbers["noise_sigma"] == pytest.approx(stored.std(), rel=0.1)
    assert numbers["used_range_share"] == pytest.approx(100 * 4.65 / 16, rel=0.1)


def test_a_real_chest_is_measured(samples: Path) -> None:
    frame = decode_frame(samples / "RG1_UNCR.dcm", 0, 10**9)
    image = Radiograph(frame.stored, frame.display, frame.stored_range, frame.spacing_mm)
    real_header, _ = read_header(samples / "RG1_UNCR.dcm")
    numbers = {one.name: one.value for one in measure(image, real_header)}
    assert numbers["snr_lung"] > 20
    assert numbers["left_right_symmetry"] > 0.5
    assert numbers["blockiness"] < 0.1


@pytest.mark.more
def test_snr_and_cnr_fall_as_noise_grows_and_only_for_frontal_chests() -> None:
    low, high = values(radiograph(chest(noise=10.0))), values(radiograph(chest(noise=40.0)))
    assert low["snr_lung"] == pytest.approx(1100 / 10, rel=0.1)
    assert high["snr_lung"] == pytest.approx(1100 / 40, rel=0.1)
    assert low["cnr_lung_mediastinum"] == pytest.approx(1900 / 10, rel=0.1)
    assert low["cnr_lung_mediastinum"] > 3 * high["cnr_lung_mediastinum"]
    for changes in ({"body_part_examined": "HAND"}, {"view_position": "LL"}, {"view_position": ""}):
        assert "snr_lung" not in values(radiograph(chest()), **changes)


@pytest.mark.more
def test_jpeg_blocks_are_seen_at_any_phase() -> None:
    image = chest(noise=10.0)
    plain = values(radiograph(image))["blockiness"]
    eight_bit = np.clip(image / 16, 0, 255).astype(np.uint8)
    series = []
    for quality in (60, 15, 5):
        _, encoded = cv2.imencode(".jpg", eight_bit, [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
        assert decoded is not None
        series.append(values(radiograph(decoded.astype(float) * 16))["blockiness"])
        cropped = values(radiograph(decoded[3:, 5:].astype(float) * 16))["blockiness"]
        assert cropped == pytest.approx(series[-1], rel=0.1)
    assert plain < 0.1
    assert plain < series[0] < series[1] < series[2]
    assert series[1] > 0.5
