"""Fits the landmark network: seeded, resumable, with a checkpoint every few minutes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from miqa_training import weights
from miqa_training.landmarks.losses import LandmarkLoss, LandmarkTargets
from miqa_training.landmarks.network import LandmarkNet, LandmarkOutput
from miqa_training.loop import TrainingSchedule, TrainingTask, ahead, train, warm_cosine_of_share

DrawSample = Callable[[int], tuple[Tensor, LandmarkTargets]]
"""Returns sample number n, always the same one."""
LandmarkBatch = tuple[Tensor, LandmarkTargets]
TensorPair = tuple[Tensor, Tensor]
N = TypeVar("N", bound=nn.Module)
"""A network."""


@dataclass(frozen=True, slots=True)
class LandmarkSchedule:
    """One run; ``backbone_rate`` is the learning rate of the pretrained features, ``rate`` that of everything else."""

    minutes: float = 60.0
    steps: int | None = None
    """Steps instead of minutes; repeatable on one machine."""
    batch: int = 16
    rate: float = 1.5e-3
    backbone_rate: float = 4e-4
    decay: float = 0.02
    average: float = 0.998
    seed: int = 1
    threads: int = 1
    workers: int = 1
    bfloat16: bool = True
    checkpoint: Path | None = None
    checkpoint_s: float = 300.0
    log_every: int = 50


def fit(net: LandmarkNet, draw: DrawSample, loss_of: LandmarkLoss, schedule: LandmarkSchedule) -> LandmarkNet:
    """The running average of the weights in evaluation mode.

    An interrupted run resumes from its checkpoint and sees the same samples as without the interruption.
    """
    torch.manual_seed(schedule.seed)
    torch.set_num_threads(schedule.threads)
    net = weights.in_format(net, torch.channels_last)
    average = copy.deepcopy(net)
    backbone = [p for p in net.backbone.parameters() if p.requires_grad]
    base_ids = {id(p) for p in backbone}
    optimizer = torch.optim.AdamW(
        [{"params": backbone, "lr": schedule.backbone_rate},
         {"params": [p for p in net.parameters() if p.requires_grad and id(p) not in base_ids], "lr": schedule.rate}],
        weight_decay=schedule.decay,
    )  # fmt: skip

    def forward(batch: LandmarkBatch) -> LandmarkOutput:
        return cast("LandmarkOutput", net(batch[0].to(memory_format=torch.channels_last)))

    train(
        TrainingTask[LandmarkBatch, LandmarkOutput](
            net, average, optimizer,
            lambda first: landmark_batches(draw, first * schedule.batch, schedule.batch, schedule.workers),
            forward, lambda output, batch: loss_of(output, batch[1]),
        ),
        _loop_schedule(schedule),
    )  # fmt: skip
    return average


def fit_pairs(
    make: Callable[[], N], draw: Callable[[int], TensorPair],
    loss_of: Callable[[Tensor, Tensor], tuple[Tensor, dict[str, float]]], schedule: LandmarkSchedule,
) -> N:  # fmt: skip
    """The same for a network from one tensor to another, all of whose weights learn at one rate.

    ``make`` gives the network, ``draw`` sample number n: its input and its target, without the batch axis.
    """
    torch.manual_seed(schedule.seed)
    torch.set_num_threads(schedule.threads)
    net = make()
    average = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=schedule.rate, weight_decay=schedule.decay)

    def batch_from(start: int) -> TensorPair:
        inputs, targets = zip(*(draw(index) for index in range(start, start + schedule.batch)), strict=True)
        return torch.stack(inputs), torch.stack(targets)

    train(
        TrainingTask[TensorPair, Tensor](
            net, average, optimizer,
            lambda first: ahead(batch_from, count(first * schedule.batch, schedule.batch), schedule.workers),
            lambda batch: cast("Tensor", net(batch[0])).float(), lambda output, batch: loss_of(output, batch[1]),
        ),
        _loop_schedule(schedule),
    )  # fmt: skip
    return average


def _loop_schedule(schedule: LandmarkSchedule) -> TrainingSchedule:
    return TrainingSchedule(
        rate=warm_cosine_of_share, average=schedule.average, steps=schedule.steps, minutes=schedule.minutes,
        bfloat16=schedule.bfloat16, log_every=schedule.log_every, checkpoint=schedule.checkpoint,
        checkpoint_s=schedule.checkpoint_s,
    )  # fmt: skip


def landmark_batches(
    draw: DrawSample, first: int, size: int, workers: int
) -> Generator[tuple[Tensor, LandmarkTargets]]:
    """Batches from sample ``first`` on, made ahead."""

    def make(start: int) -> tuple[Tensor, LandmarkTargets]:
        samples = [draw(index) for index in range(start, start + size)]
        return torch.stack([image for image, _ in samples]), LandmarkTargets.stack([t for _, t in samples])

    return ahead(make, count(first, size), workers)
