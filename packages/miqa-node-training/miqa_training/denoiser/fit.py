"""Fits the denoiser on one CPU thread: seeded, repeatable for a number of steps, with a log of the gain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_training import weights
from miqa_training.denoiser.network import Denoiser
from miqa_training.denoiser.pairs import NoisePairs
from miqa_training.loop import TrainingSchedule, TrainingTask, train

WARM_UP_STEPS = 50
AVERAGE = 0.997
CHECKPOINT = "denoiser.pt"
NoiseBatch = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class DenoiserFitSettings:
    """One run; it ends after ``steps`` steps or, when that is None, after ``minutes``."""

    minutes: float = 15.0
    steps: int | None = None
    seed: int = 1
    images: int = 6
    learning_rate: float = 1e-3
    threads: int = 1
    start: Path | None = None
    """Weights to begin with, such as the checkpoint of an earlier run."""


@dataclass(frozen=True, slots=True)
class DenoiserFit:
    """A finished run: the average of its weights, and the number of steps."""

    net: Denoiser
    steps: int
    minutes: float


def fit(pairs: NoisePairs, check: NoisePairs, folder: Path, settings: DenoiserFitSettings) -> DenoiserFit:
    """Fit on ``pairs``; ``check`` (other patients) only serves to log the gain in dB in ``log.jsonl``."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(1)
    net, average = Denoiser(), Denoiser()
    if settings.start is not None:
        state = torch.load(settings.start, weights_only=True)
        net.load_state_dict(state.get("average", state), strict=False)
    average.load_state_dict(net.state_dict())
    channels_last = weights.in_format(net, torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.learning_rate)
    held_out = [_batch(check, n, settings.images) for n in range(8)]

    def drawn(first: int) -> Iterator[NoiseBatch]:
        return (_batch(pairs, number, settings.images) for number in count(first))

    def forward(batch: NoiseBatch) -> Tensor:
        return cast("Tensor", channels_last(batch[0].to(memory_format=torch.channels_last)))

    def loss(denoised: Tensor, batch: NoiseBatch) -> tuple[Tensor, dict[str, float]]:
        value = denoising_loss(denoised.float(), *batch)
        return value, {"loss": float(value.detach())}

    def figures() -> dict[str, float]:
        return {"gain_db": round(gain_db(average, held_out), 3)}

    run = train(
        TrainingTask(net, average, optimiser, drawn, forward, loss, figures),
        TrainingSchedule(
            rate=_schedule, average=AVERAGE, ramp=9.0, steps=settings.steps, minutes=settings.minutes,
            largest_gradient=1.0, log_file=folder / "log.jsonl", checkpoint=folder / CHECKPOINT, checkpoint_every=100,
            resume=False,
        ),
    )  # fmt: skip
    return DenoiserFit(average, run.step, run.elapsed_s / 60.0)


@torch.no_grad()
def gain_db(net: Denoiser, batches: list[tuple[Tensor, Tensor]]) -> float:
    """Mean gain in PSNR over the patches that have noise."""
    gains = []
    for noisy, original in batches:
        before = ((noisy - original) ** 2).mean((1, 2, 3))
        after = ((net(noisy) - original) ** 2).mean((1, 2, 3))
        mask = before > 1e-7
        gains += (10.0 * torch.log10(before[mask] / after[mask].clamp_min(1e-9))).tolist()
    return float(np.mean(gains))


def _batch(pairs: NoisePairs, number: int, images: int) -> tuple[Tensor, Tensor]:
    drawn = [pairs(number * images + k) for k in range(images)]
    noisy, original = (np.concatenate(patches) for patches in zip(*drawn, strict=True))
    return torch.from_numpy(noisy), torch.from_numpy(original)


def _schedule(step: int, share: float) -> float:
    return min(1.0, (step + 1) / WARM_UP_STEPS) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


ROOT_AT = 1e-3
"""Error at which the loss turns from quadratic to linear (Charbonnier), in display units: a quarter of a grey level."""
LEAST_NOISE = 4e-3
"""Below a grey level, noise counts less and less."""
EDGE_SLOPE = 0.015
"""Display units per pixel, in the original smoothed over three pixels: a steeper slope is an edge, not grain."""
EDGE_WEIGHT = 3.0
"""Weight of a slope error on an edge relative to elsewhere."""
LEAST_EDGE_PX = 40
"""Minimum number of edge pixels for a patch to count in the slope term."""
GRADIENT_SHARE, SLOPE_SHARE = 0.5, 0.5


def denoising_loss(denoised: Tensor, noisy: Tensor, original: Tensor) -> Tensor:
    """Loss of patches (N, 1, H, W): error of the values, error of the slopes, and missing slope of the edges.

    Minimising the error alone flattens edges, weak ones most: where edge and noise cannot be distinguished, the mean of
    both is the best guess. The other two terms penalise that.
    """
    slopes, clean, dirty = (gradient(image) for image in (denoised, original, noisy))
    edge = edges(original)
    apart = ((slopes - clean) ** 2 + ROOT_AT**2).sqrt()
    before = ((dirty - clean) ** 2).mean((1, 2, 3)).sqrt()
    steepness = ((1.0 + EDGE_WEIGHT * edge) * apart).mean((1, 2, 3)) / (before + LEAST_NOISE)
    error = relative_error(denoised, noisy, original)
    return error + GRADIENT_SHARE * steepness.mean() + SLOPE_SHARE * missing_slope(slopes, clean, edge)


def relative_error(denoised: Tensor, noisy: Tensor, original: Tensor) -> Tensor:
    """Distance from the original as a share of the noise of the patch: weak noise counts as much as strong noise."""
    before = ((noisy - original) ** 2).mean((1, 2, 3)).sqrt()
    distance = ((denoised - original) ** 2 + ROOT_AT**2).sqrt().mean((1, 2, 3))
    return (distance / (before + LEAST_NOISE)).mean()


def missing_slope(slopes: Tensor, clean: Tensor, edge: Tensor) -> Tensor:
    """Mean square of the share of the edges' slope that a patch lost or gained; 0 if no patch has edges."""
    slope = (edge * slopes * clean).sum((1, 2, 3)) / ((edge * clean * clean).sum((1, 2, 3)) + 1e-6)
    weight = (edge.sum((1, 2, 3)) >= LEAST_EDGE_PX).to(slopes.dtype)
    return (weight * (1.0 - slope) ** 2).sum() / weight.sum().clamp_min(1.0)


def gradient(image: Tensor) -> Tensor:
    """(N, 2, H - 2, W - 2): half the difference of the neighbours across and along."""
    across = 0.5 * (image[..., 1:-1, 2:] - image[..., 1:-1, :-2])
    along = 0.5 * (image[..., 2:, 1:-1] - image[..., :-2, 1:-1])
    return torch.cat([across, along], 1)


def edges(original: Tensor) -> Tensor:
    """1 where the original has an edge, (N, 1, H - 2, W - 2)."""
    smooth = F.avg_pool2d(F.pad(original, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (gradient(smooth).square().sum(1, keepdim=True).sqrt() > EDGE_SLOPE).to(original.dtype)
