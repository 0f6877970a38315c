"""Operations on tensors: filters that are exact below a pixel, sizes as the node reduces them, JPEG's losses."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from miqa_training.any_part.pictures import (
    Spectrum,
    coded,
    display,
    exposure,
    gaussian,
    moved,
    noise_deviation,
    resized,
    split,
)

pytestmark = pytest.mark.more


def scene(rows: int = 230, columns: int = 170, seed: int = 0) -> torch.Tensor:
    """Smooth structure with slight grain."""
    rng = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(rng.uniform(size=(rows, columns)).astype(np.float32), (0, 0), 9)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return torch.from_numpy(np.clip(0.1 + 0.8 * smooth + rng.normal(0, 0.01, smooth.shape), 0, 1).astype(np.float32))


def test_display_is_the_inverse_of_exposure() -> None:
    image = scene()
    assert torch.allclose(display(exposure(image)), image, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_a_gaussian_dims_a_wave_as_its_formula_says_also_below_one_pixel(sigma: float) -> None:
    cycles = 0.125
    wave = torch.cos(2 * math.pi * cycles * torch.arange(256.0)).expand(200, 256)
    share = gaussian(wave, sigma)[:, 64:-64].amax() / wave[:, 64:-64].amax()
    assert float(share) == pytest.approx(math.exp(-2 * (math.pi * sigma * cycles) ** 2), abs=0.01)


def test_a_path_of_two_positions_gives_the_point_twice() -> None:
    point = torch.zeros(101, 121)
    point[50, 60] = 1.0
    spectrum = Spectrum(point)
    x, y, share = torch.tensor([-3.0, 3.0]), torch.tensor([0.0, 2.0]), torch.tensor([0.25, 0.75])
    twice = spectrum.filtered(spectrum.along_path(x, y, share))
    assert float(twice[50, 57]) == pytest.approx(0.25, abs=1e-3)
    assert float(twice[52, 63]) == pytest.approx(0.75, abs=1e-3)


@pytest.mark.parametrize("shape", [(115, 85), (163, 90), (77, 169)])
def test_sizes_are_reduced_as_the_node_reduces_them(shape: tuple[int, int]) -> None:
    image = scene()
    theirs = cv2.resize(image.numpy(), shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(resized(image, shape).numpy() - theirs).max() < 2e-3


def test_a_turn_by_nothing_changes_nothing_and_a_move_moves() -> None:
    image = scene()
    assert torch.allclose(moved(image, 0.0, 0.0, 0.0), image, atol=1e-4)
    assert torch.allclose(moved(image, 5.0, 0.0, 0.0)[:, 20:-20], image[:, 15:-25], atol=1e-3)


def test_the_deviation_of_noise_is_measured_and_split_keeps_the_sum() -> None:
    flat = torch.full((300, 300), 0.5)
    generator = torch.Generator().manual_seed(1)
    noisy = flat + 0.02 * torch.randn(flat.shape, generator=generator)
    assert float(noise_deviation(noisy)) == pytest.approx(0.02, rel=0.1)
    signal, grain = split(noisy)
    assert torch.allclose(signal + grain, noisy, atol=1e-6)
    assert float(grain.std()) > 0.8 * 0.02


@pytest.mark.parametrize("quality", [90, 30, 10])
def test_losses_are_those_of_a_jpeg_of_that_quality(quality: int) -> None:
    image = scene()
    bytes_ = np.rint(image.numpy() * 255).astype(np.uint8)
    coded_bytes = cv2.imencode(".jpg", bytes_, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    jpeg = np.asarray(cv2.imdecode(coded_bytes, cv2.IMREAD_GRAYSCALE))
    ours = coded(torch.from_numpy(bytes_.astype(np.float32) / 255), float(quality)).numpy() * 255
    assert np.abs(ours - jpeg.astype(np.float32)).mean() < 0.6
    theirs_lost = math.sqrt(np.mean((jpeg.astype(np.float32) - bytes_) ** 2))
    assert math.sqrt(np.mean((ours - bytes_) ** 2)) == pytest.approx(theirs_lost, rel=0.1)
