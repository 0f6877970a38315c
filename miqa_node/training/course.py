"""The course of fitting a classifier: how fast each part of it learns at which step, and the average that ships."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
import torch
from torch import Tensor, nn

from miqa_node.training import weights
from miqa_node.training.architectures import Classifier

SAID_EVERY = 100
LARGEST_GRADIENT = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast; ``rate`` is that of the features, ``evidence_rate`` that of what reads them.

    ``average`` is the share that the moving average of the weights keeps at each step; it is what ships. With a
    ``checkpoint`` all that is needed to go on is written there every ``checkpoint_every`` steps.
    """

    steps: int
    rate: float
    evidence_rate: float
    decay: float
    smoothing: float
    average: float
    bfloat16: bool = False
    checkpoint: Path | None = None
    checkpoint_every: int = 25


def run(
    net: Classifier,
    batches: Iterable[tuple[Tensor, Tensor]],
    vary: Callable[[Tensor], Tensor],
    course: Course,
) -> Classifier:
    """The averaged network in evaluation mode, fitted on ``batches`` of (pictures, labels), each varied by ``vary``.

    A run that was killed goes on from its checkpoint: the batches before it are drawn and passed over.
    """
    optimizer = torch.optim.AdamW(
        [
            {"params": net.features.parameters(), "lr": course.rate},
            {"params": net.evidence.parameters(), "lr": course.evidence_rate},
        ],
        weight_decay=course.decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share_of_rate(step, course.steps))
    averaged, begun = copy.deepcopy(net), 0
    parts = {"net": net, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}
    if course.checkpoint is not None and course.checkpoint.is_file():
        state = torch.load(course.checkpoint, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        begun = int(state["step"])
    loss_of = nn.CrossEntropyLoss(label_smoothing=course.smoothing)
    started, losses = time.monotonic(), []
    net.train()
    for step, (pictures, labels) in zip(range(1, course.steps + 1), batches, strict=False):
        if step <= begun:
            continue
        images = vary(pictures)
        with torch.autocast("cpu", torch.bfloat16, enabled=course.bfloat16):
            logits = net(images)
        loss = loss_of(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        schedule.step()
        weights.follow(averaged, net, min(course.average, step / (step + 10.0)))
        losses.append(float(loss.detach()))
        if step % SAID_EVERY == 0 or step == course.steps:
            log.info("fitting", step=step, steps=course.steps, loss=round(float(np.mean(losses)), 4),
                     step_s=round((time.monotonic() - started) / (step - begun), 2))  # fmt: skip
            losses.clear()
        if course.checkpoint is not None and (step % course.checkpoint_every == 0 or step == course.steps):
            weights.save(course.checkpoint, {name: part.state_dict() for name, part in parts.items()} | {"step": step})
    averaged.eval()
    return averaged


def share_of_rate(step: int, steps: int) -> float:
    """Warm up over a twentieth of the steps, then fall as a cosine to nearly nothing."""
    warm = max(1, steps // 20)
    return (step + 1) / warm if step < warm else 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
