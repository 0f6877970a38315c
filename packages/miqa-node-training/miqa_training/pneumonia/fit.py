"""Fits one member; writes regular checkpoints from which an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, WeightedRandomSampler

from miqa_training import weights
from miqa_training.architectures import ClassifierNet
from miqa_training.classifier.fit import fit_classifier
from miqa_training.loop import TrainingSchedule, warm_cosine
from miqa_training.pneumonia.augment import augment, plain
from miqa_training.pneumonia.data import PneumoniaSample
from miqa_training.pneumonia.drawn import LabelledPictures, balanced_weights
from miqa_training.pretrained import settle


@dataclass(frozen=True, slots=True)
class PneumoniaRecipe:
    """How a member is trained; ``draws`` is the total number of pictures drawn."""

    draws: int = 12_000
    batch: int = 32
    side: int = 160
    """Side of the pictures in training; networks do better on somewhat larger ones at test time (Touvron et al.,
    NeurIPS 2019)."""
    rate: float = 1e-3
    pretrained_rate: float = 3e-4
    """Learning rate of pretrained features."""
    decay: float = 1e-2
    smoothing: float = 0.05
    average: float = 0.99
    """Decay of the moving average of the weights; the average is shipped."""
    checkpoint_every: int = 25
    seed: int = 1


def fit(
    net: ClassifierNet, pictures: NDArray[np.uint8], samples: Sequence[PneumoniaSample], recipe: PneumoniaRecipe,
    checkpoint: Path,
    *, starts_trained: bool,
) -> ClassifierNet:  # fmt: skip
    """The fitted member; resumes from ``checkpoint`` if there is one."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    data = LabelledPictures(pictures, samples)
    sampler = WeightedRandomSampler(balanced_weights(samples), recipe.draws, generator=generator)
    loader = DataLoader(data, recipe.batch, sampler=sampler, drop_last=True)
    if starts_trained:
        settle(net, (plain(batch) for batch, _ in DataLoader(data, recipe.batch * 2, sampler=range(0, len(data), 8))))
    rate = recipe.pretrained_rate if starts_trained else recipe.rate
    return fit_classifier(
        weights.in_format(net, torch.channels_last),
        loader,
        lambda batch: augment(batch, generator, recipe.side).contiguous(memory_format=torch.channels_last),
        TrainingSchedule(
            rate=warm_cosine(len(loader)), average=recipe.average, steps=len(loader), checkpoint=checkpoint,
            checkpoint_every=recipe.checkpoint_every, epoch_steps=len(samples) / recipe.batch,
        ),
        rates=(rate, recipe.rate), decay=recipe.decay, smoothing=recipe.smoothing,
    )  # fmt: skip


@torch.no_grad()
def logits_of(net: ClassifierNet, pictures: NDArray[np.uint8], batch: int = 64) -> NDArray[np.float32]:
    """Logits (N, labels) in single precision, as in the exported graph: means over pictures and their mirror images."""
    net.eval()
    parts = []
    for at in range(0, len(pictures), batch):
        inputs = plain(torch.from_numpy(np.array(pictures[at : at + batch]))[:, None])
        parts.append(((net(inputs) + net(inputs.flip(-1))) / 2.0).numpy())
    return np.concatenate(parts).astype(np.float32)
