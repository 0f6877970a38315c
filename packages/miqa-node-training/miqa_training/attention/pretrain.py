"""Pretrains the transformer on unlabelled radiographs; resumable, ends after a time or a number of steps."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from miqa_node.core.observe.progress import counted
from miqa_node.stages.assess.preprocess import GlobalView, Normalise, Preprocess, prepare
from miqa_training.attention.network import MaskedAutoencoder, VitShape
from miqa_training.datasets import DatasetRecord, held_out, may_ship, read_records
from miqa_training.loop import TrainingSchedule, TrainingTask, train

CHECKPOINT = "checkpoint.pt"
MARGIN = 1.2
"""Factor by which cached images are larger than the network's input, so that crops keep their resolution."""
SEEN_SHARE = 0.25
LEAST_CROP = 0.75
"""Side of the smallest crop as a share of the image."""
WARM_UP = 0.05
AVERAGE = 0.999


@dataclass(frozen=True, slots=True)
class PretrainSettings:
    """One run. It ends after ``steps`` steps or, when that is None, after ``minutes``."""

    minutes: float = 20.0
    steps: int | None = None
    seed: int = 1
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    threads: int = 1
    checkpoint_s: float = 120.0
    shape: VitShape = field(default_factory=VitShape)


@dataclass(frozen=True, slots=True)
class PretrainResult:
    """A finished run; ``losses`` are those of every 100 steps."""

    net: MaskedAutoencoder
    steps: int
    elapsed_s: float
    losses: tuple[float, ...]


def spec_of(shape: VitShape) -> Preprocess:
    """How an image is preprocessed for the network."""
    return Preprocess(global_view=GlobalView(rows=shape.side_px, columns=shape.side_px))


def records_of(data_dir: Path) -> list[DatasetRecord]:
    """Images allowed for training: the licence permits weights, and no anomaly evaluation uses the patient.

    From ``cxr_train`` and ``cxr_pneumonia``, without held-out patients, patients of ``cxr_boxes`` and test patients.
    """
    boxed = {record.patient for record in read_records(data_dir / "cxr_boxes")}
    records: dict[str, DatasetRecord] = {}
    for folder in ("cxr_train", "cxr_pneumonia"):
        if not (data_dir / folder / "manifest.csv").is_file():
            continue
        for record in read_records(data_dir / folder):
            allowed = may_ship(record) and not held_out(record) and record.patient not in boxed
            if allowed and record.split != "test":
                records.setdefault(record.path.name, record)
    return list(records.values())


def small_views(records: Sequence[DatasetRecord], shape: VitShape) -> NDArray[np.float32]:
    """Normalised views (N, side, side), somewhat larger than the network's."""
    side = round(shape.side_px * MARGIN)
    spec = Preprocess(normalise=Normalise(), global_view=GlobalView(rows=side, columns=side))
    views = np.empty((len(records), side, side), np.float16)
    for number, record in enumerate(counted(records, "Reading images")):
        pixels = cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE)
        if pixels is None:
            msg = f"cannot decode {record.path.name}"
            raise ValueError(msg)
        views[number] = prepare(pixels.astype(np.uint16) * 257, None, spec).global_view[0, 0]
    return views.astype(np.float32)


def pretrain(
    views: NDArray[np.float32], folder: Path, settings: PretrainSettings, *, resume: bool = False
) -> PretrainResult:
    """Fit the autoencoder; the result has the running average of the weights."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(1)
    folder.mkdir(parents=True, exist_ok=True)
    net, average = MaskedAutoencoder(settings.shape), MaskedAutoencoder(settings.shape)
    average.load_state_dict(net.state_dict())
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.95)
    )
    patches = settings.shape.grid**2

    def drawn(first: int) -> Iterator[tuple[Tensor, Tensor]]:
        for step in count(first):
            batch = draw(views, settings, np.random.default_rng((settings.seed, step)))
            yield batch, torch.rand(len(batch), patches).argsort(dim=1)

    def forward(batch: tuple[Tensor, Tensor]) -> Tensor:
        return cast("Tensor", net(*batch, round(patches * SEEN_SHARE)))

    run = train(
        TrainingTask(net, average, optimiser, drawn, forward, lambda loss, _: (loss, {"loss": float(loss.detach())})),
        TrainingSchedule(
            rate=_rate, average=AVERAGE, ramp=9.0, steps=settings.steps, minutes=settings.minutes,
            largest_gradient=1.0, checkpoint=folder / CHECKPOINT, checkpoint_s=settings.checkpoint_s, resume=resume,
        ),
    )  # fmt: skip
    losses = tuple(round(line["loss"], 4) for line in run.history if line["step"] % 100 == 0)
    return PretrainResult(average, run.step, run.elapsed_s, losses)


def draw(views: NDArray[np.float32], settings: PretrainSettings, rng: np.random.Generator) -> Tensor:
    """A batch (N, 1, side, side) of crops, never mirrored or rotated, because a mirrored chest is not ordinary."""
    side, full = settings.shape.side_px, views.shape[1]
    batch = np.empty((settings.batch, 1, side, side), np.float32)
    for row, number in enumerate(rng.integers(len(views), size=settings.batch)):
        size = rng.uniform(LEAST_CROP, 1.0, 2) * full
        top, left = (rng.uniform(0.0, full - length) for length in size)
        move = np.array([[size[1] / side, 0.0, left], [0.0, size[0] / side, top]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop = cv2.warpAffine(views[number], move, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        batch[row, 0] = np.asarray(crop) * rng.uniform(0.9, 1.1) + rng.uniform(-0.1, 0.1)
    return torch.from_numpy(batch)


def _rate(_step: int, progress: float) -> float:
    if progress < WARM_UP:
        return max(progress / WARM_UP, 0.02)
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (progress - WARM_UP) / (1.0 - WARM_UP)))


def facts(settings: PretrainSettings, run: PretrainResult, records: Sequence[DatasetRecord]) -> dict[str, Any]:
    """The card's record of the run."""
    return {
        "method": "masked autoencoder (He et al., CVPR 2022), three quarters of the patches hidden, no labels",
        "images": len(records),
        "patients": len({(r.source, r.patient) for r in records}),
        "licences": sorted({r.licence for r in records}),
        "seed": settings.seed,
        "steps": run.steps,
        "batch": settings.batch,
        "minutes": round(run.elapsed_s / 60.0, 1),
        "machine": f"{settings.threads} of {os.cpu_count()} CPU cores, bf16 if quick, shared with other work",
        "parameters": sum(p.numel() for p in run.net.encoder.parameters()),
        "shape": asdict(settings.shape),
        "losses_every_100_steps": list(run.losses[:: max(1, len(run.losses) // 20)]),
    }
