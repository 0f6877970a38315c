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

from miqa_training import weights
from miqa_training.denoiser.loss import denoising_loss
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
