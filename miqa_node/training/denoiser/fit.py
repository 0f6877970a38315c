"""Fits the denoiser on one CPU thread: seeded, repeatable by its number of steps, with a log of what it gains."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from miqa_node.training import weights
from miqa_node.training.denoiser.loss import denoising_loss
from miqa_node.training.denoiser.network import Denoiser
from miqa_node.training.denoiser.pairs import Pairs

WARM_UP_STEPS = 50
AVERAGE = 0.997
CHECKPOINT = "denoiser.pt"


@dataclass(frozen=True, slots=True)
class FitSettings:
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
class Run:
    """A finished run: the average of its weights, how far it went."""

    net: Denoiser
    steps: int
    minutes: float


def fit(pairs: Pairs, check: Pairs, folder: Path, settings: FitSettings) -> Run:
    """Fit on ``pairs``; ``check`` (other patients) only says in ``log.jsonl`` how many decibels are gained."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(1)
    net, average = Denoiser(), Denoiser()
    if settings.start is not None:
        net.load_state_dict(torch.load(settings.start, weights_only=True), strict=False)
    average.load_state_dict(net.state_dict())
    channels_last = net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.learning_rate)
    held_out = [_batch(check, n, settings.images) for n in range(8)]
    started, step, share, total = time.monotonic(), 0, 0.0, 0.0
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
        while share < 1.0:
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * _schedule(step, share)
            noisy, original = _batch(pairs, step, settings.images)
            with torch.autocast("cpu", torch.bfloat16):
                denoised = channels_last(noisy.to(memory_format=torch.channels_last))
            loss = denoising_loss(denoised.float(), noisy, original)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            step, total = step + 1, total + float(loss.detach())
            weights.follow(average, net, min(AVERAGE, step / (step + 9.0)))
            minutes = (time.monotonic() - started) / 60.0
            share = step / settings.steps if settings.steps is not None else minutes / settings.minutes
            if step % 100 == 0 or share >= 1.0:
                line = {"step": step, "minutes": round(minutes, 2), "loss": round(total / 100, 6)}
                log.write(json.dumps(line | {"gain_db": round(gain_db(average, held_out), 3)}) + "\n")
                log.flush()
                total = 0.0
                weights.save(folder / CHECKPOINT, average.state_dict())
    return Run(average.eval(), step, (time.monotonic() - started) / 60.0)


@torch.no_grad()
def gain_db(net: Denoiser, batches: list[tuple[Tensor, Tensor]]) -> float:
    """Mean gain in PSNR over the patches that have noise."""
    gains = []
    for noisy, original in batches:
        before = ((noisy - original) ** 2).mean((1, 2, 3))
        after = ((net(noisy) - original) ** 2).mean((1, 2, 3))
        kept = before > 1e-7
        gains += (10.0 * torch.log10(before[kept] / after[kept].clamp_min(1e-9))).tolist()
    return float(np.mean(gains))


def _batch(pairs: Pairs, number: int, images: int) -> tuple[Tensor, Tensor]:
    drawn = [pairs(number * images + k) for k in range(images)]
    noisy, original = (np.concatenate(patches) for patches in zip(*drawn, strict=True))
    return torch.from_numpy(noisy), torch.from_numpy(original)


def _schedule(step: int, share: float) -> float:
    return min(1.0, (step + 1) / WARM_UP_STEPS) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
