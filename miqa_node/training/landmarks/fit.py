"""Fits the landmark network: seeded, resumable, with a checkpoint every few minutes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from miqa_node.training import weights
from miqa_node.training.landmarks.losses import LandmarkLoss, LandmarkTargets
from miqa_node.training.landmarks.network import LandmarkNet, LandmarkOutput
from miqa_node.training.loop import TrainingSchedule, TrainingTask, ahead, train, warm_cosine_of_share

DrawSample = Callable[[int], tuple[Tensor, LandmarkTargets]]
"""Returns sample number n, always the same one."""
LandmarkBatch = tuple[Tensor, LandmarkTargets]


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
        TrainingSchedule(
            rate=warm_cosine_of_share, average=schedule.average, steps=schedule.steps, minutes=schedule.minutes,
            bfloat16=schedule.bfloat16, log_every=schedule.log_every, checkpoint=schedule.checkpoint,
            checkpoint_s=schedule.checkpoint_s,
        ),
    )  # fmt: skip
    return average


def landmark_batches(
    draw: DrawSample, first: int, size: int, workers: int
) -> Generator[tuple[Tensor, LandmarkTargets]]:
    """Batches from sample ``first`` on, made ahead."""

    def make(start: int) -> tuple[Tensor, LandmarkTargets]:
        samples = [draw(index) for index in range(start, start + size)]
        return torch.stack([image for image, _ in samples]), LandmarkTargets.stack([t for _, t in samples])

    return ahead(make, count(first, size), workers)
