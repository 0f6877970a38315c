"""Trains networks for any radiograph side by side on one stream of samples: one on all sources, others without some."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from miqa_node.core.domain.finding import FindingName
from miqa_training import weights
from miqa_training.any_part.network import AnyPartNet
from miqa_training.any_part.sampler import CLASSES, COLUMN, CROP_PX, PartBatch
from miqa_training.losses import TargetBatch, total_loss
from miqa_training.scores import auroc

MAP_COLUMNS = [COLUMN[FindingName.DETECTOR_OVERLAY_ARTIFACT]]
AVERAGE, RAMP = 0.995, 9.0
WARM_STEPS, DECAY_SHARE = 60, 0.5
MARKED = 0.5
KEPT_FOR_FIGURES = 40


@dataclass(frozen=True, slots=True)
class PartFitSettings:
    """One run. It ends after ``seconds`` or after ``steps``, whichever is first."""

    seconds: float = 3600.0
    steps: int = 10**9
    learning_rate: float = 2e-3
    weight_decay: float = 0.03
    seed: int = 1
    checkpoint_s: float = 60.0


@dataclass
class PartFit:
    """One network, the moving average of its weights (what ships), and the sources that it never sees."""

    left_out: tuple[str, ...]
    settings: PartFitSettings
    device: torch.device
    start: Path | None = None
    net: AnyPartNet = field(init=False)
    average: AnyPartNet = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)
    steps: int = 0
    figures: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        torch.manual_seed(self.settings.seed)
        self.net = AnyPartNet(len(CLASSES), CROP_PX)
        if self.start is not None:
            state = torch.load(self.start, weights_only=True, map_location="cpu")
            self.net.load_state_dict(state["average"])
            self.steps = int(state["steps"])
        self.net = self.net.to(self.device).train()
        self.average = copy.deepcopy(self.net)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay
        )

    def learn(self, batch: PartBatch, rate: float, done: int) -> dict[str, float]:
        """One step on the samples whose sources it may see; returns the parts of the loss."""
        mine = without(batch, self.left_out)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * rate
        loss, parts = loss_of(self.net, mine)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()
        self.steps += 1
        weights.follow(self.average, self.net, min(AVERAGE, (done + 1) / (done + 1 + RAMP)))
        return parts

    def save(self, path: Path) -> None:
        """Write the checkpoint: the average, the figures so far."""
        weights.save(path, {
            "average": {name: value.cpu() for name, value in self.average.state_dict().items()},
            "steps": self.steps, "figures": self.figures, "left_out": list(self.left_out), "classes": list(CLASSES),
        })  # fmt: skip


def train(
    runs: dict[Path, PartFit], batches: Iterator[PartBatch], settings: PartFitSettings,
    say: Callable[[str], None] = print,
) -> None:  # fmt: skip
    """Train all runs on the same batches; each is saved under its path now and then and at the end, with figures."""
    began = saved = time.monotonic()
    done, parts, last = 0, dict[str, float](), list[PartBatch]()
    while (share := max((time.monotonic() - began) / settings.seconds, done / settings.steps)) < 1.0:
        rate = min(1.0, (done + 1) / WARM_STEPS) * min(1.0, (1.0 - share) / DECAY_SHARE)
        batch = next(batches)
        for run in runs.values():
            parts = run.learn(batch, rate, done)
        done += 1
        last.append(batch)
        del last[:-KEPT_FOR_FIGURES]
        if time.monotonic() - saved > settings.checkpoint_s:
            saved = time.monotonic()
            say(f"{done} steps, {saved - began:.0f} s: { {name: round(value, 3) for name, value in parts.items()} }")
            for path, run in runs.items():
                run.save(path)
    for path, run in runs.items():
        run.average.eval()
        run.save(path)
    for path, run in runs.items():
        run.figures = unseen_figures(run.average, last, run.left_out)
        run.save(path)
        say(f"without {','.join(run.left_out) or 'nothing'}: {run.steps} steps, {run.figures}")


def without(batch: PartBatch, sources: Sequence[str], *, only: bool = False) -> PartBatch:
    """The samples whose source is not among these; with ``only``, those whose source is."""
    if not sources and not only:
        return batch
    rows = [row for row, source in enumerate(batch.sources) if (source in sources) == only]
    at = torch.tensor(rows, dtype=torch.long, device=batch.view.device)
    targets = batch.targets
    return PartBatch(
        batch.view[at], batch.crops[at], batch.numbers[at],
        TargetBatch(targets.present[at], targets.severity[at], targets.cells[at], targets.boxes[at]),
        tuple(batch.sources[row] for row in rows),
    )  # fmt: skip


def loss_of(net: AnyPartNet, batch: PartBatch) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch, and its parts."""
    with torch.autocast(batch.view.device.type, torch.bfloat16):
        outputs = net(batch.view, batch.crops.flatten(0, 1), batch.numbers)
    return total_loss(outputs, batch.targets, MAP_COLUMNS)


@torch.no_grad()
def unseen_figures(net: AnyPartNet, batches: Sequence[PartBatch], left_out: Sequence[str]) -> dict[str, Any]:
    """AUROC per class of marked defects against clean samples of the sources left out (of all if none is)."""
    rows: list[list[NDArray[np.float32]]] = []
    for batch in batches:
        there = without(batch, left_out, only=bool(left_out))
        if there.sources:
            logits = net(there.view, there.crops.flatten(0, 1), there.numbers)[0]
            rows.append([v.float().cpu().numpy() for v in (logits, there.targets.present, there.targets.severity)])
    if not rows:
        return {}
    scores, present, severity = (np.concatenate(column) for column in zip(*rows, strict=True))
    clean = (present <= 0).all(1)
    figures: dict[str, Any] = {"clean": int(clean.sum())}
    for name, column in COLUMN.items():
        marked = (present[:, column] == 1) & ((severity[:, column] >= MARKED) | (severity[:, column] < 0))
        figures[name] = round(auroc(scores[marked, column], scores[clean, column]), 3)
    return figures
