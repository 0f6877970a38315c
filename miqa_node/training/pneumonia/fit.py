"""Fits one member; every so often all that is needed to go on is written down, so that a killed run resumes."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, WeightedRandomSampler

from miqa_node.training import course
from miqa_node.training.architectures import Classifier
from miqa_node.training.pneumonia.augment import augment, plain
from miqa_node.training.pneumonia.data import Sample
from miqa_node.training.pneumonia.drawn import Pictures, balanced_weights
from miqa_node.training.pretrained import settle

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a member is trained; ``draws`` are pictures drawn in all."""

    draws: int = 12_000
    batch: int = 32
    side: int = 160
    """Of the pictures in training; nets judge somewhat larger ones better (Touvron et al., NeurIPS 2019)."""
    rate: float = 1e-3
    pretrained_rate: float = 3e-4
    """Of features that learned before."""
    decay: float = 1e-2
    smoothing: float = 0.05
    average: float = 0.99
    """Of the moving average of the weights, which is what ships."""
    checkpoint_every: int = 25
    seed: int = 1


def fit(
    net: Classifier, pictures: NDArray[np.uint8], samples: Sequence[Sample], recipe: Recipe, checkpoint: Path,
    *, starts_trained: bool,
) -> Classifier:  # fmt: skip
    """The fitted member; goes on from ``checkpoint`` when there is one."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    data = Pictures(pictures, samples)
    sampler = WeightedRandomSampler(balanced_weights(samples), recipe.draws, generator=generator)
    loader = DataLoader(data, recipe.batch, sampler=sampler, drop_last=True)
    if starts_trained:
        settle(net, (plain(batch) for batch, _ in DataLoader(data, recipe.batch * 2, sampler=range(0, len(data), 8))))
    net = net.to(memory_format=torch.channels_last)
    rate = recipe.pretrained_rate if starts_trained else recipe.rate
    optimizer = course.optimiser(net, rate, recipe.rate, recipe.decay)
    steps = len(loader)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: course.rate(step, steps))
    averaged, begun = copy.deepcopy(net), 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        for part, name in ((net, "net"), (averaged, "averaged"), (optimizer, "optimizer"), (schedule, "schedule")):
            part.load_state_dict(state[name])
        begun = int(state["step"])
    loss_of = nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
    started, losses = time.monotonic(), []
    for step, (batch, labels) in enumerate(loader, start=1):
        if step <= begun:
            continue
        net.train()
        images = augment(batch, generator, recipe.side).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(images)
        loss = loss_of(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        course.follow(averaged, net, min(recipe.average, step / (step + 10.0)))
        losses.append(float(loss.detach()))
        if step % recipe.checkpoint_every == 0 or step == steps:
            seconds = (time.monotonic() - started) / (step - begun)
            log.info("fitting", member=checkpoint.stem, step=step, steps=steps, loss=round(float(np.mean(losses)), 4),
                     step_s=round(seconds, 2))  # fmt: skip
            losses.clear()
            _save(checkpoint, net, averaged, optimizer, schedule, step)
    averaged.eval()
    return averaged


@torch.no_grad()
def logits_of(net: Classifier, pictures: NDArray[np.uint8], batch: int = 64) -> NDArray[np.float32]:
    """(N, labels) in single precision, as the exported graph computes."""
    net.eval()
    parts = [
        net(plain(torch.from_numpy(np.array(pictures[at : at + batch]))[:, None])).numpy()
        for at in range(0, len(pictures), batch)
    ]
    return np.concatenate(parts).astype(np.float32)


def _save(
    path: Path, net: nn.Module, averaged: nn.Module, optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler, step: int,
) -> None:  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(
        {"net": net.state_dict(), "averaged": averaged.state_dict(), "optimizer": optimizer.state_dict(),
         "schedule": schedule.state_dict(), "step": step},
        part,
    )  # fmt: skip
    part.replace(path)
