"""Fits the object network: seeded, resumable, on CPUs or one CUDA device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import torch
from torch import Tensor

from miqa_training.loop import WARM_SHARE, TrainingSchedule, TrainingTask, train
from miqa_training.objects.bank import PieceBank
from miqa_training.objects.loss import ObjectTargets, device_cells, object_loss
from miqa_training.objects.network import ObjectNet
from miqa_training.objects.variation import ObjectBatches, ObjectSet, VariationShares

ObjectBatch = tuple[Tensor, ObjectTargets]
COOL_SHARE = 0.15
"""Share of a run in which the learning rate falls."""
KEPT = 1.0
"""Weight of the squared change of maps that are to stay."""


@dataclass(frozen=True, slots=True)
class ObjectSchedule:
    """One run; ``backbone_rate`` is the learning rate of the published features, ``rate`` that of everything else."""

    minutes: float = 180.0
    steps: int | None = None
    batch: int = 8
    rate: float = 1e-3
    backbone_rate: float = 2e-4
    decay: float = 0.02
    average: float = 0.997
    dropped: float = 0.1
    """Share of the fused channels that are left out in training."""
    seed: int = 1
    shares: VariationShares = field(default_factory=VariationShares)
    checkpoint: Path | None = None
    checkpoint_s: float = 300.0
    log_every: int = 50
    log_file: Path | None = None


def flat_of_share(_step: int, share: float) -> float:
    """A learning rate that warms up, stays, and falls at the end.

    The average of the weights along the whole run points well at other hospitals; a rate that falls early settles on
    the training hospital.
    """
    return min((share + 0.002) / (WARM_SHARE + 0.002), 1.0, (1.0 - share) / COOL_SHARE)


def device_at_hand() -> torch.device:
    """The CUDA device if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _kept(logits: Tensor, batch: ObjectBatch, start: ObjectNet) -> Tensor:
    """The change of the maps of devices and tubes where nobody drew one."""
    images, targets = batch
    with torch.no_grad():
        before = start(images)
    change = (logits[:, 1:] - before[:, 1:]).square()
    return KEPT * (change * ~device_cells(targets, logits.shape[-1])[:, None]).mean()


def fit_objects(
    net: ObjectNet, pictures: ObjectSet, bank: PieceBank, schedule: ObjectSchedule,
    figures: Callable[[ObjectNet], Mapping[str, float]] | None = None, start: ObjectNet | None = None,
) -> ObjectNet:  # fmt: skip
    """The running average of the weights, in evaluation mode on the device it was fitted on.

    With ``start``, the maps of devices and tubes stay near those of that network outside of the devices that were drawn
    on ``pictures``: nobody drew all of them.
    ``figures`` gets the average at each line of the log. An interrupted run resumes from its checkpoint and draws the
    same batches as without the interruption.
    """
    torch.manual_seed(schedule.seed)
    device = device_at_hand()
    if start is not None:
        start = start.to(device).eval()
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]
    average = copy.deepcopy(net)
    features = [p for p in net.backbone.parameters() if p.requires_grad]
    backbone_ids = {id(p) for p in net.backbone.parameters()}
    optimizer = torch.optim.AdamW(
        [{"params": features, "lr": schedule.backbone_rate},
         {"params": [p for p in net.parameters() if id(p) not in backbone_ids], "lr": schedule.rate}],
        weight_decay=schedule.decay,
    )  # fmt: skip
    draw = ObjectBatches(pictures.to(device), bank, schedule.shares, schedule.batch, schedule.seed)

    def batches(first: int) -> Iterator[ObjectBatch]:
        return map(draw, count(first))

    def loss(logits: Tensor, batch: ObjectBatch) -> tuple[Tensor, dict[str, float]]:
        total, parts = object_loss(logits, batch[1])
        return (total, parts) if start is None else (total + _kept(logits, batch, start), parts)

    def forward(batch: ObjectBatch) -> Tensor:
        logits: Tensor = net(batch[0].contiguous(memory_format=torch.channels_last))
        return logits

    task = TrainingTask(
        net, average, optimizer, batches, forward, loss,
        figures=(lambda: figures(average)) if figures else dict,
    )  # fmt: skip
    train(task, TrainingSchedule(
        rate=flat_of_share, average=schedule.average, steps=schedule.steps, minutes=schedule.minutes,
        bfloat16=device.type == "cuda", log_every=schedule.log_every, log_file=schedule.log_file,
        checkpoint=schedule.checkpoint, checkpoint_s=schedule.checkpoint_s,
    ))  # fmt: skip
    return average
