"""The shipped denoiser gains what its card says, keeps edges and levels, and is checked before it is used."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from miqa_node.core.settings import Accelerator, load_settings, share_dir
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.enhance.denoiser import DenoiserPackage, newest_denoiser, open_denoiser
from miqa_node.stages.assess.enhance.enhancer import Enhancer
from miqa_node.stages.assess.enhance.likeness import psnr_db, ssim
from miqa_node.stages.assess.sidecars import open_sidecar
from miqa_training.enhancement import scores
from tests.stages.assess.enhance.making import CHEST, at_dose, whole_chest
from tests.stages.report import making

PACKAGE = share_dir("models") / "denoiser-0.2.1"


@pytest.fixture(scope="module")
def denoiser() -> DenoiserPackage:
    return newest_denoiser(load_settings())


def test_an_altered_package_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, folder)
    with (folder / "golden" / "chest.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ModelPackageError, match="not the file that the card was written for"):
        open_denoiser(folder, Accelerator.CPU, load_settings().assess)


@pytest.mark.more
def test_quarter_dose_gains_three_decibels_and_edges_stay(denoiser: DenoiserPackage) -> None:
    image = whole_chest()
    original = np.ascontiguousarray(image[image.shape[0] // 4 :][:600, :600])
    noisy = at_dose(original, 0.5)
    cleaned, words = denoiser.graph.denoise(noisy)
    assert words == "noise removed by denoiser-0.2.1"
    assert psnr_db(cleaned, original) > psnr_db(noisy, original) + 3.0
    assert ssim(cleaned, original) > ssim(noisy, original)
    share = scores.EdgeSlopes(original).kept(cleaned)
    assert share is not None
    assert 0.95 <= share <= 1.05
    assert abs(scores.structure_taken(noisy - cleaned, original, noisy - original)) < 0.25


@pytest.mark.more
def test_tiles_leave_no_seam(denoiser: DenoiserPackage) -> None:
    noisy = at_dose(np.ascontiguousarray(whole_chest()[:700, :530]), 0.5)
    whole, _ = denoiser.graph.denoise(noisy)
    moved, _ = denoiser.graph.denoise(np.ascontiguousarray(noisy[100:, 60:]))
    assert np.abs(whole[160:, 120:] - moved[60:, 60:]).max() < 1e-4


@pytest.mark.more
def test_the_enhancer_uses_it_and_says_so() -> None:
    made = Enhancer(load_settings()).enhance(making.radiograph(CHEST), "learned")
    assert made.model is not None
    assert (made.model.name, made.model.version) == ("denoiser", "0.2.1")
    assert made.image.steps[-1] == "noise removed by denoiser-0.2.1"
    assert made.source.stored is not made.image.stored


@pytest.mark.more
def test_uniform_areas_keep_their_level_exactly_and_nothing_appears_in_them(denoiser: DenoiserPackage) -> None:
    for level in (0.15, 0.5, 0.85):
        flat = np.full((128, 160), level, np.float32)
        cleaned, _ = denoiser.graph.denoise(flat)
        assert np.abs(cleaned - level).max() < 0.5 / 255
        noisy = at_dose(flat, 0.5)
        noise, _ = denoiser.graph.denoise(noisy)
        assert abs(float(noise.mean() - noisy.mean())) < 0.05 / 255
        assert float(noise.std()) < 0.5 * float(noisy.std())


@pytest.mark.more
def test_models_check_opens_it_with_all_its_goldens() -> None:
    _, package = open_sidecar(PACKAGE, Accelerator.CPU, load_settings().assess)
    assert len(package.golden_differences) == 4
    assert max(package.golden_differences.values()) < 1e-4


@pytest.mark.more
def test_a_thin_wire_stays_in_an_image_without_noise(denoiser: DenoiserPackage) -> None:
    """The package before faded wires of one or two pixels, which it took for grain."""
    image = np.full((160, 160), 0.45, np.float32)
    cv2.line(image, (20, 30), (140, 120), 0.62, 2, cv2.LINE_AA)
    cleaned, _ = denoiser.graph.denoise(image)
    wire = image > 0.6
    assert float(cleaned[wire].mean()) - 0.45 > 0.95 * (float(image[wire].mean()) - 0.45)


@pytest.mark.more
def test_nothing_large_changes_its_contrast(denoiser: DenoiserPackage) -> None:
    """A disc of 40 pixels, as weak as the noise: neither fades nor grows."""
    y, x = np.mgrid[0:160, 0:160]
    image = np.where(np.hypot(y - 80, x - 80) < 20, 0.54, 0.5).astype(np.float32)
    noisy = at_dose(image, 0.5)
    box = (66, 66, 94, 94)
    before, _ = scores.lesion_contrast(noisy, box)
    after, _ = scores.lesion_contrast(denoiser.graph.denoise(noisy)[0], box)
    assert after == pytest.approx(before, rel=0.05)


@pytest.mark.more
def test_odd_and_small_images_come_back_in_their_size(denoiser: DenoiserPackage) -> None:
    for shape in ((33, 47), (64, 513), (1, 1)):
        cleaned, _ = denoiser.graph.denoise(np.full(shape, 0.5, np.float32))
        assert cleaned.shape == shape
