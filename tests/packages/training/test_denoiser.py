"""The denoiser in training: what it is asked for, what stays on edges, and that a run goes on from given weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from miqa_training.denoiser.fit import (
    CHECKPOINT,
    DenoiserFitSettings,
    denoising_loss,
    edges,
    fit,
    gradient,
    missing_slope,
)
from miqa_training.denoiser.network import Denoiser
from miqa_training.denoiser.pairs import NoisePairs, smooth_phantom

pytestmark = pytest.mark.more


def step_image(side: int = 96) -> torch.Tensor:
    image = torch.full((1, 1, side, side), 0.3)
    image[..., side // 2 :] = 0.7
    return image


def blurred(image: torch.Tensor) -> torch.Tensor:
    return Denoiser().low_pass(image)


def test_noise_stays_on_edges_and_goes_elsewhere() -> None:
    torch.manual_seed(1)
    net = Denoiser()
    torch.nn.init.normal_(
        net.get_parameter(f"steps.{len(net.steps) - 1}.weight"), std=0.05
    )  # an estimate that is certainly not nothing
    image = step_image() + 0.03 * torch.randn(1, 1, 96, 96)
    with torch.no_grad():
        everywhere = (image - net(image)).abs()
        net.edge_slope = 0.01
        noise = image - net(image)
        gated = noise.abs()
    on, off = slice(46, 50), slice(12, 30)
    assert gated[..., on].mean() < 0.35 * everywhere[..., on].mean()
    assert gated[..., off].mean() > 0.6 * everywhere[..., off].mean()
    assert abs(float(noise.mean())) < 5e-4, "no level changes"


def test_the_loss_wants_the_slope_of_edges() -> None:
    original = step_image(64)
    noisy = original + 0.05 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    edge = edges(original)
    assert 0.0 < float(edge.mean()) < 0.2
    assert float(missing_slope(gradient(original), gradient(original), edge)) < 1e-4
    assert float(missing_slope(gradient(blurred(original)), gradient(original), edge)) > 0.25
    flat = torch.full((1, 1, 64, 64), 0.5)
    assert float(missing_slope(gradient(flat), gradient(flat), edges(flat))) == 0.0
    assert float(denoising_loss(original, noisy, original)) < float(denoising_loss(blurred(noisy), noisy, original))
    assert float(denoising_loss(blurred(noisy), noisy, original)) > 0.1


class Phantoms(NoisePairs):
    """Pairs of smooth phantoms, without any radiograph."""

    def __init__(self) -> None:
        """Nothing to read."""

    def __call__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(index)
        original = np.stack([smooth_phantom(64, rng)[None] for _ in range(2)])
        return (original + 0.05 * rng.standard_normal(original.shape)).astype(np.float32), original


def test_a_run_goes_on_from_the_weights_of_another(tmp_path: Path) -> None:
    first = fit(Phantoms(), Phantoms(), tmp_path / "a", DenoiserFitSettings(steps=4, images=2))
    again = fit(
        Phantoms(), Phantoms(), tmp_path / "b",
        DenoiserFitSettings(steps=1, images=2, learning_rate=1e-9, start=tmp_path / "a" / CHECKPOINT),
    )  # fmt: skip
    for old, new in zip(first.net.parameters(), again.net.parameters(), strict=True):
        assert torch.allclose(old, new, atol=1e-5)
    line = json.loads((tmp_path / "b" / "log.jsonl").read_text().splitlines()[-1])
    assert line["step"] == 1
