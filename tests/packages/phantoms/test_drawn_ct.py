"""Measures of phantoms in CT give the numbers with which a phantom was drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.data import get_testdata_file

from miqa_node.features.phantoms.measure import PhantomMeasure
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.libraries.phantom_shapes.catphan_modules import find_catphan
from miqa_phantoms import (
    catphan_geometry,
    catphan_hu,
    catphan_mtf,
    catphan_uniformity,
    ct_noise,
    lcd_ct,
    noise_power,
)
from tests.packages.phantoms.drawing import Image, catphan, cylinder, stack

NAMED = {"Air": -1000, "PMP": -200, "LDPE": -100, "Poly": -35, "Acrylic": 120, "Delrin": 340, "Teflon": 990}


def blur(image: NDArray[np.float32]) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.float64)


def values(measure: PhantomMeasure, of: PhantomStack) -> dict[str, float | None]:
    return {one.name: one.value for one in measure.take(of)}


@pytest.fixture(scope="module")
def phantom() -> PhantomStack:
    return stack(catphan(), "CT", gap=2.5, spacing=0.9)


def test_inserts_have_their_values(phantom: PhantomStack) -> None:
    result = values(catphan_hu.MEASURE, phantom)
    for name, named in NAMED.items():
        assert result[f"hu_ctp404.{name}"] == pytest.approx(named, abs=4.0)
    assert result["hu_linearity_slope"] == pytest.approx(1.0, abs=0.005)
    assert result["roll_deg"] == pytest.approx(3.0, abs=0.3)
    assert result["origin_slice_ctp404"] == 30.0


def test_the_far_module_is_uniform(phantom: PhantomStack) -> None:
    result = values(catphan_uniformity.MEASURE, phantom)
    assert result["hu_uniformity_ctp486.Top"] == pytest.approx(10.0, abs=1.5)
    assert result["noise_hu"] == pytest.approx(4.0, rel=0.1)


def test_lengths_and_thickness_of_the_wires(phantom: PhantomStack) -> None:
    result = values(catphan_geometry.MEASURE, phantom)
    assert result["line_length_mm_ctp404"] == pytest.approx(50.0, abs=0.1)
    assert result["slice_thickness_mm"] == pytest.approx(2.5, abs=0.3)


def test_blur_moves_the_line_pairs(phantom: PhantomStack) -> None:
    name = "mtf_lp_per_mm_at_percent_ctp528.50"
    blurred = stack([blur(one) for one in phantom.images], "CT", gap=2.5, spacing=0.9)
    sharp, soft = values(catphan_mtf.MEASURE, phantom)[name], values(catphan_mtf.MEASURE, blurred)[name]
    assert sharp is not None
    assert soft is not None
    assert soft < sharp - 0.03


def test_a_catphan_in_the_other_direction_and_mirrored_is_the_same(phantom: PhantomStack) -> None:
    turned = stack([np.fliplr(one) for one in phantom.images[::-1]], "CT", gap=2.5, spacing=0.9)
    result = find_catphan(turned.images, turned.places_mm, turned.spacing_mm)
    assert result is not None
    assert result.direction == -1
    assert result.sensitometry.pose.mirrored
    assert values(catphan_hu.MEASURE, turned)["hu_ctp404.Delrin"] == pytest.approx(340.0, abs=4.0)


def test_water_has_its_value_noise_and_cupping() -> None:
    result = values(ct_noise.MEASURE, stack([cylinder(seed=one, cupping=20.0) for one in range(4)], "CT", 5.0, 1.0))
    assert result["mean_hu"] == pytest.approx(-20.0 * 0.2**2 / 2.0, abs=0.5)
    assert result["noise_sd_hu"] == pytest.approx(10.0, rel=0.03)
    assert result["hu_uniformity.largest_difference"] == pytest.approx(-20.0 * 0.8**2, abs=1.0)


def test_a_ring_is_found_and_noise_is_none() -> None:
    plain = values(ct_noise.MEASURE, stack([cylinder(seed=one) for one in range(4)], "CT", 5.0, 1.0))["ring_hu"]
    ring = values(ct_noise.MEASURE, stack([cylinder(seed=one, ring=15.0) for one in range(4)], "CT", 5.0, 1.0))[
        "ring_hu"
    ]
    assert plain is not None
    assert ring is not None
    assert plain < 0.3
    assert ring > 1.0


def test_the_noise_of_a_smoother_image_has_lower_frequencies() -> None:
    rough = stack([cylinder(seed=one) for one in range(3)], "CT", 5.0, 1.0)
    smooth = stack([blur(one) for one in rough.images], "CT", 5.0, 1.0)
    name = "nps_mean_frequency_per_mm"
    white, soft = values(noise_power.MEASURE, rough)[name], values(noise_power.MEASURE, smooth)[name]
    # White noise: the mean over frequencies up to the limit of 0.5 per mm.
    assert white == pytest.approx(0.25, abs=0.02)
    assert soft is not None
    assert soft < 0.17


def test_pairs_of_slices_have_the_noise_of_one_and_a_disc_its_contrast() -> None:
    images = [cylinder(seed=one) for one in range(6)]
    at = np.arange(256) - 127.5
    disc = np.hypot(at[None, :] - 40.0 * np.sqrt(0.5), at[:, None] - 40.0 * np.sqrt(0.5)) <= 5.0
    drawn = stack([one + 30.0 * disc for one in images], "CT", 5.0, 1.0, path=_no_header())
    result = values(lcd_ct.MEASURE, drawn)
    assert result["noise_sd_hu_from_pairs"] == pytest.approx(10.0, rel=0.03)
    assert result["contrast_hu.10_mm_3_hu"] == pytest.approx(30.0, abs=2.0)
    assert result["cnr.10_mm_3_hu"] == pytest.approx(3.0, abs=0.3)
    assert result["noise_sqrt_dose_hu"] is None


def _no_header() -> Path:

    return Path(str(get_testdata_file("CT_small.dcm")))
