"""Fits the quality network: seeded, resumable, with a checkpoint every few minutes."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor

from miqa_node.domain.finding import FindingName
from miqa_node.training import weights
from miqa_node.training.losses import RANKING_WEIGHT, Batch, total_loss
from miqa_node.training.networks import QualityNet
from miqa_node.training.pretrained import settle
from miqa_node.training.samples import CLASSES, COLUMN, MAP_CLASSES, Sample
from miqa_node.training.start import read_weights

Draw = Callable[[int], Sample]
"""Gives sample number n; the same one whenever it is asked."""

CHECKPOINT = "checkpoint.pt"
MAP_COLUMNS = [COLUMN[name] for name in MAP_CLASSES]
PLACED = (COLUMN[FindingName.FOREIGN_OBJECT],)
LEARNING_RATE = 2e-3
WARM_UP_STEPS = 200
DECAY_SHARE = 0.3
"""Share of the run over which the learning rate falls to zero (warm-up, stable, decay)."""
AVERAGE = 0.998
SETTLED_ON = 192
"""Samples that the statistics of a package's normalisations are made of."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """One run. It ends after ``steps`` steps or, when that is None, after ``minutes`` of fitting."""

    minutes: float = 60.0
    steps: int | None = None
    seed: int = 1
    batch: int = 24
    learning_rate: float = LEARNING_RATE
    weight_decay: float = 0.02
    threads: int = 1
    workers: int = 1
    checkpoint_s: float = 120.0
    ranking_weight: float = RANKING_WEIGHT
    start: str = ""
    """Folder of a package, or checkpoint of another run, whose weights this one begins with; weights that a checkpoint
    lacks begin as usual."""

    @property
    def starts_from_package(self) -> bool:
        """Whether ``start`` is a package, whose weights come without the statistics of their normalisations."""
        return bool(self.start) and Path(self.start).is_dir()


def batches(sampler: Draw, first: int, size: int, workers: int) -> Iterator[tuple[Tensor, Tensor, Batch]]:
    """Batches of samples from number ``first`` on, made ahead by threads, in an order that timing cannot change.

    Threads are enough: numpy, OpenCV and torch leave the interpreter lock while they work. Forked workers hang where
    OpenCV has started threads before, spawned ones need every sample copied through shared memory.
    """
    cv2.setNumThreads(1)

    def make(start: int) -> tuple[Tensor, Tensor, Batch]:
        return collate([sampler(index) for index in range(start, start + size)])

    with ThreadPoolExecutor(workers) as pool:
        ahead = deque(pool.submit(make, first + k * size) for k in range(workers + 1))
        for start in count(first + (workers + 1) * size, size):
            batch = ahead.popleft().result()
            ahead.append(pool.submit(make, start))
            yield batch


class Fit:
    """The state of a run: the net, its running average, the optimiser, how far it got."""

    def __init__(self, settings: FitSettings, folder: Path) -> None:
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        self.settings, self.folder = settings, folder
        self.net = QualityNet(len(CLASSES), PLACED).to(memory_format=torch.channels_last)
        if settings.starts_from_package:
            read_weights(self.net, Path(settings.start) / "model.onnx")
        elif settings.start:
            state = torch.load(settings.start, weights_only=True)["average"]
            self.net.load_state_dict(state, strict=False)
        self.average = QualityNet(len(CLASSES), PLACED)
        self.average.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.step, self.elapsed_s = 0, 0.0

    def settle(self, sampler: Draw) -> None:
        """Give the normalisations of weights that came without their statistics those of the first samples."""
        size = self.settings.batch
        drawn = (collate([sampler(n) for n in range(at, at + size)]) for at in range(0, max(SETTLED_ON, size), size))
        settle(self.net, ((view, crops.flatten(0, 1)) for view, crops, _ in drawn))
        self.average.load_state_dict(self.net.state_dict())

    def save(self) -> None:
        """Write the checkpoint."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "random": torch.get_rng_state(),
            "settings": asdict(self.settings),
        }
        weights.save(self.folder / CHECKPOINT, state)

    def load(self) -> None:
        """Take up the run where its checkpoint left it."""
        state = torch.load(self.folder / CHECKPOINT, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.elapsed_s = int(state["step"]), float(state["elapsed_s"])
        torch.set_rng_state(state["random"])  # dropout goes on as if nothing had happened

    @property
    def progress(self) -> float:
        """Share of the run that is done."""
        if self.settings.steps is not None:
            return self.step / self.settings.steps
        return self.elapsed_s / (60.0 * self.settings.minutes)

    def learning_rate(self) -> float:
        """Warm-up, stable, then linear decay over the last part of the run."""
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        fall = min(1.0, max(0.0, (1.0 - self.progress) / DECAY_SHARE))
        return self.settings.learning_rate * warm * fall

    def train_step(self, view: Tensor, crops: Tensor, targets: Batch) -> dict[str, float]:
        """One step of the optimiser; returns the parts of the loss."""
        self.net.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        with torch.autocast("cpu", torch.bfloat16):
            outputs = self.net(view, crops.flatten(0, 1))
        loss, parts = total_loss(outputs, targets, MAP_COLUMNS, self.settings.ranking_weight)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        weights.follow(self.average, self.net, min(AVERAGE, self.step / (self.step + 9.0)))
        return parts


def fit(sampler: Draw, folder: Path, settings: FitSettings, *, resume: bool = False) -> Fit:
    """Run to the end of the settings; the folder keeps the checkpoint and ``log.jsonl``."""
    folder.mkdir(parents=True, exist_ok=True)
    run = Fit(settings, folder)
    if resume and (folder / CHECKPOINT).exists():
        run.load()
    elif settings.starts_from_package:
        run.settle(sampler)
    stream = batches(sampler, run.step * settings.batch, settings.batch, settings.workers)
    last = saved = time.monotonic()
    sums: dict[str, float] = {}
    counted = 0
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        for view, crops, targets in stream:
            if run.progress >= 1.0:
                break
            parts = run.train_step(view, crops, targets)
            now = time.monotonic()
            run.elapsed_s, last = run.elapsed_s + now - last, now
            sums = {name: sums.get(name, 0.0) + value for name, value in parts.items()}
            counted += 1
            if run.step % 50 == 0:
                line = {"step": run.step, "elapsed_s": round(run.elapsed_s, 1), "lr": run.learning_rate()}
                log.write(json.dumps(line | {name: round(value / counted, 4) for name, value in sums.items()}) + "\n")
                log.flush()
                sums, counted = {}, 0
            if now - saved > settings.checkpoint_s:
                run.save()
                saved = now
    run.save()
    return run


def collate(samples: list[Sample]) -> tuple[Tensor, Tensor, Batch]:
    """Views (N, 1, H, W), crops (N, K, 1, h, w) and targets."""

    def stack(name: str) -> Tensor:
        return torch.from_numpy(np.stack([cast("Any", getattr(sample, name)) for sample in samples]))

    view = stack("global_view").to(memory_format=torch.channels_last)
    return view, stack("crops"), Batch(stack("present"), stack("severity"), stack("cells"), stack("boxes"))
