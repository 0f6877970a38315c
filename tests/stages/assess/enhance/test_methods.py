"""Enhancement methods remove noise, or make contrast visible, and invent nothing."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_node.core.domain.image import Radiograph
from miqa_node.errors import SettingsError
from miqa_node.stages.assess.enhance.likeness import psnr_db, ssim
from miqa_node.stages.assess.enhance.methods import METHODS, Function, Purpose, parse_methods
from miqa_node.stages.assess.enhance.noise_level import noise_level
from miqa_node.stages.assess.enhance.plane import plane_of
from miqa_training.enhancement import scores
from tests.stages.assess.enhance.making import at_dose, chest

CLASSICAL = [name for name, method in METHODS.items() if method.function is not None]
DENOISERS = [name for name in CLASSICAL if METHODS[name].purpose is Purpose.DENOISE]
CONTRAST = [name for name in CLASSICAL if METHODS[name].purpose is Purpose.CONTRAST]


def function(name: str) -> Function:
    made = METHODS[name].function
    assert made is not None
    return made


@pytest.mark.parametrize("name", DENOISERS)
def test_noise_of_an_eighth_of_the_dose_is_halved_and_edges_stay(name: str) -> None:
    original = chest()
    noisy = at_dose(original, 0.75)
    cleaned, words = function(name)(noisy)
    assert cleaned.shape == noisy.shape
    assert cleaned.dtype == np.float32
    assert psnr_db(cleaned, original) > psnr_db(noisy, original) + 3.0
    assert ssim(cleaned, original) > ssim(noisy, original)
    assert "noise" in words


@pytest.mark.parametrize("name", DENOISERS)
def test_a_noisy_uniform_area_becomes_uniform_at_the_same_level(name: str) -> None:
    flat = np.full((96, 120), 0.4, np.float32)
    noisy = at_dose(flat, 0.75)
    cleaned, _ = function(name)(noisy)
    inner = cleaned[8:-8, 8:-8]
    assert abs(float(inner.mean() - noisy.mean())) < 0.2 / 255
    assert float(inner.std()) < 0.5 * float(noisy.std())


@pytest.mark.parametrize("name", DENOISERS)
def test_what_is_taken_away_is_not_structure(name: str) -> None:
    original = chest()
    noisy = at_dose(original, 0.75)
    cleaned, _ = function(name)(noisy)
    blurred = noisy.copy()
    blurred[1:-1, 1:-1] = sum(noisy[1 + y : 127 + y, 1 + x : 127 + x] for y in (-1, 0, 1) for x in (-1, 0, 1)) / 9.0
    share = abs(scores.structure_taken(noisy - cleaned, original, noisy - original))
    assert share < 0.5
    assert psnr_db(cleaned, original) > psnr_db(blurred, original)


@pytest.mark.parametrize("name", CLASSICAL)
def test_an_odd_small_image_keeps_its_shape_and_range(name: str) -> None:
    image = at_dose(chest()[:47, :61], 0.5)
    made, _ = function(name)(np.ascontiguousarray(image))
    assert made.shape == (47, 61)
    assert np.isfinite(made).all()
    assert float(made.min()) > -0.1
    assert float(made.max()) < 1.1


@pytest.mark.parametrize("name", CLASSICAL)
def test_an_image_without_any_contrast_comes_out_uniform(name: str) -> None:
    made, _ = function(name)(np.full((64, 64), 0.3, np.float32))
    assert float(made.std()) < 1e-3


@pytest.mark.parametrize("name", CONTRAST)
def test_contrast_of_weak_details_grows(name: str) -> None:
    image = np.full((640, 640), 0.5, np.float32)
    image[:, :40], image[:, -40:] = 0.1, 0.9  # what the display range is needed for
    image += 0.02 * np.random.default_rng(3).standard_normal(image.shape, dtype=np.float32)
    image[300:340, 300:340] += 0.03  # what is hard to see
    before, _ = scores.lesion_contrast(image, (300, 300, 340, 340))
    made, _ = function(name)(image)
    after, _ = scores.lesion_contrast(made, (300, 300, 340, 340))
    assert after > 1.2 * before


def test_multiscale_does_not_amplify_noise_as_it_amplifies_structure() -> None:
    flat = np.full((128, 128), 0.5, np.float32)
    flat[:, 64:] += 0.2
    noisy = at_dose(flat, 0.5)
    made, _ = function("multiscale")(noisy)
    grown = float(made[8:56, 8:56].std() / noisy[8:56, 8:56].std())
    assert grown < 1.6


def test_the_noise_level_is_found_and_follows_the_grey_level() -> None:
    rng = np.random.default_rng(1)
    ramp = np.tile(np.linspace(0.1, 0.9, 256, dtype=np.float32), (256, 1))
    sigma = 0.01 + 0.03 * ramp
    level = noise_level(ramp + sigma * rng.standard_normal(ramp.shape, dtype=np.float32))
    expected = 0.01 + 0.03 * level.at
    assert np.abs(level.sigma / expected - 1.0).max() < 0.25


def test_stabilised_noise_has_unit_variance_and_comes_back() -> None:
    rng = np.random.default_rng(2)
    ramp = np.tile(np.linspace(0.1, 0.9, 256, dtype=np.float32), (256, 1))
    noisy = ramp + (0.01 + 0.03 * ramp) * rng.standard_normal(ramp.shape, dtype=np.float32)
    level = noise_level(noisy)
    residual = level.stabilise(noisy) - level.stabilise(ramp)
    assert [0.8 < float(part.std()) < 1.25 for part in np.array_split(residual, 8, axis=1)] == [True] * 8
    assert np.abs(level.restore(level.stabilise(noisy)) - noisy).max() < 1e-3


def test_chains_are_read_and_unknown_names_are_told() -> None:
    assert [method.name for method in parse_methods("learned+multiscale")] == ["learned", "multiscale"]
    with pytest.raises(SettingsError, match=r"no enhancement method 'median'; there are learned, nlm"):
        parse_methods("nlm+median")


def test_no_pixel_of_the_image_becomes_padding() -> None:
    """PS3.3 C.7.5.1.1.2: in MONOCHROME1 a white pixel pushed to the padding value would be shown black."""
    stored = np.linspace(1, 4000, 64 * 64).astype(np.uint16).reshape(64, 64)
    stored[:8] = 0
    valid = stored > 0
    display = (65535 - stored.astype(np.float64) * 16).clip(0).astype(np.uint16) * valid
    plane = plane_of(Radiograph(stored, display, (0, 4095), None, valid=valid))
    made = plane.back(np.full(stored.shape, 1.4, np.float32), ())
    assert (made.stored[~valid] == 0).all()
    assert (made.stored[valid] == stored[valid].min()).all()
    assert not made.display[~valid].any()
    assert made.display[valid].min() == display.max()
