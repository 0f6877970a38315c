"""Fits the quality network: seeded, resumable, with a checkpoint every few minutes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from miqa_node.core.domain.finding import FindingName
from miqa_training import feed, weights
from miqa_training.feed import QualityBatch
from miqa_training.loop import TrainingProgress, TrainingSchedule, TrainingTask, ahead, train
from miqa_training.losses import RANKING_WEIGHT, TargetBatch, total_loss
from miqa_training.networks import QualityNet
from miqa_training.pretrained import settle
from miqa_training.samples import CLASSES, COLUMN, MAP_CLASSES, TrainingSample
from miqa_training.start import read_package

Draw = Callable[[int], TrainingSample]
"""Returns sample number n, always the same one."""

CHECKPOINT = "checkpoint.pt"
MAP_COLUMNS = [COLUMN[name] for name in MAP_CLASSES]
PLACED = (COLUMN[FindingName.FOREIGN_OBJECT], COLUMN[FindingName.DEVICE_IN_VIEW])
LEARNING_RATE, BATCH = 2e-3, 24
WARM_UP_STEPS = 200
DECAY_SHARE = 0.3
"""Share of the run over which the learning rate falls to zero (warm-up, stable, decay)."""
AVERAGE = 0.998
SETTLED_ON = 192
"""Number of samples for computing the normalisation statistics of a package's weights."""


@dataclass(frozen=True, slots=True)
class QualityFitSettings:
    """One run. It ends after ``steps`` steps or, when that is None, after ``minutes`` of fitting."""

    minutes: float = 60.0
    steps: int | None = None
    seed: int = 1
    batch: int = BATCH
    learning_rate: float = LEARNING_RATE
    weight_decay: float = 0.02
    threads: int = 1
    workers: int = 1
    checkpoint_s: float = 120.0
    ranking_weight: float = RANKING_WEIGHT
    start: str = ""
    """Folder of a package, or checkpoint of another run, with the starting weights; weights that a checkpoint lacks are
    initialised as usual."""
    keep_start: float = 0.0
    """Share of the starting weights in the shipped average: restores what a short run on few real objects forgets of a
    longer one (Wortsman et al., CVPR 2022)."""
    device: str = "cpu"
    """Where the network learns, as torch names it: "cpu", "cuda". The one place where a run chooses."""
    processes: int = 0
    """Processes that draw samples, for a device that learns faster than a thread can draw; 0 draws in threads. Their
    batches come in an order of chance, so such a run cannot be repeated exactly."""
    fixed_view: bool = False
    """Train only what judges crops, and what combines it with the whole view: places of objects stay as they are."""

    @property
    def starts_from_package(self) -> bool:
        """Whether ``start`` is a package, whose weights have no normalisation statistics."""
        return bool(self.start) and Path(self.start).is_dir()


class QualityFit:
    """A run: network, running average of the weights, optimiser and progress."""

    def __init__(self, settings: QualityFitSettings, folder: Path) -> None:
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        self.settings, self.folder = settings, folder
        self.net = weights.in_format(QualityNet(len(CLASSES), PLACED), torch.channels_last)
        if settings.starts_from_package:
            read_package(self.net, Path(settings.start), CLASSES)
        elif settings.start:
            state = torch.load(settings.start, weights_only=True)["average"]
            self.net.load_state_dict(state, strict=False)
        if settings.fixed_view:
            self.net.fix_view()
        self.average = QualityNet(len(CLASSES), PLACED)
        self.average.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.begun = copy.deepcopy(self.average)
        self.progress = TrainingProgress()

    def settle(self, sampler: Draw) -> None:
        """Compute missing normalisation statistics from the first samples."""
        size = self.settings.batch
        drawn = (collate([sampler(n) for n in range(at, at + size)]) for at in range(0, max(SETTLED_ON, size), size))
        settle(self.net, ((view, crops.flatten(0, 1)) for view, crops, _ in drawn))
        self.average.load_state_dict(self.net.state_dict())
        self.begun.load_state_dict(self.net.state_dict())

    def _move(self, device: str) -> None:
        """Take both networks there; the optimiser follows, since it holds the same parameters."""
        self.net.to(device)
        self.average.to(device)

    def run(self, sampler: Draw, *, resume: bool = False) -> None:
        """Train to the end of the settings; the folder keeps the checkpoint and ``log.jsonl``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.settings
        self._move(settings.device)

        def make(start: int) -> QualityBatch:
            return collate([sampler(index) for index in range(start, start + settings.batch)])

        def batches(first: int) -> Iterable[QualityBatch]:
            numbers = count(first * settings.batch, settings.batch)
            if settings.processes:
                return feed.from_processes(sampler, numbers, settings.batch, settings.processes, settings.device)
            return ahead(make, numbers, settings.workers)

        def forward(batch: QualityBatch) -> tuple[Tensor, ...]:
            view, crops = (part.to(settings.device) for part in batch[:2])
            outputs = cast("tuple[Tensor, ...]", self.net(view, crops.flatten(0, 1)))
            # The loss looks at boxes one by one; on the CPU that does not wait for the device each time.
            return tuple(output.cpu() for output in outputs[:3])

        self.progress = train(
            TrainingTask[QualityBatch, tuple[Tensor, ...]](
                self.net, self.average, self.optimiser,
                batches,
                forward,
                lambda outputs, batch: total_loss(outputs, batch[2], MAP_COLUMNS, settings.ranking_weight),
            ),
            TrainingSchedule(
                rate=_rate, average=AVERAGE, ramp=9.0, steps=settings.steps, minutes=settings.minutes, log_every=50,
                log_file=self.folder / "log.jsonl", checkpoint=self.folder / CHECKPOINT,
                checkpoint_s=settings.checkpoint_s, resume=resume,
            ),
        )  # fmt: skip
        self._move("cpu")


def fit(sampler: Draw, folder: Path, settings: QualityFitSettings, *, resume: bool = False) -> QualityFit:
    """A complete run, from the start in the settings or, with ``resume``, from its checkpoint."""
    run = QualityFit(settings, folder)
    if settings.steps == 0:
        return run
    if settings.starts_from_package:
        run.settle(sampler)
    run.run(sampler, resume=resume)
    if settings.keep_start:
        weights.follow(run.average, run.begun, 1.0 - settings.keep_start)
    return run


def _rate(step: int, progress: float) -> float:
    """Warm-up, stable, then linear decay over the last part of the run."""
    return min(1.0, (step + 1) / WARM_UP_STEPS) * min(1.0, max(0.0, (1.0 - progress) / DECAY_SHARE))


def collate(samples: list[TrainingSample]) -> QualityBatch:
    """Views (N, 1, H, W), crops (N, K, 1, h, w) and targets."""

    def stack(name: str) -> Tensor:
        return torch.from_numpy(np.stack([cast("Any", getattr(sample, name)) for sample in samples]))

    view = stack("global_view").to(memory_format=torch.channels_last)
    return view, stack("crops"), TargetBatch(stack("present"), stack("severity"), stack("cells"), stack("boxes"))
