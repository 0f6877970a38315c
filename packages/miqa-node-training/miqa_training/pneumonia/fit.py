"""Fits one member; writes regular checkpoints from which an interrupted run resumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

from miqa_training import weights
from miqa_training.architectures import ClassifierNet
from miqa_training.classifier.fit import fit_classifier
from miqa_training.loop import TrainingSchedule, warm_cosine
from miqa_training.pneumonia.data import PneumoniaSample, Population
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


ROTATION_DEGREES = 10.0
SCALE = (0.88, 1.15)
SHIFT = 0.06
"""Maximum shift as a share of the side."""
BRIGHTNESS = 0.12
CONTRAST = (0.75, 1.3)
NOISE = 0.02


def augment(pictures: Tensor, generator: torch.Generator, side: int) -> Tensor:
    """Values in [-1, 1], (N, 1, side, side), of uint8 pictures (N, 1, rows, columns); each is varied independently."""
    count = pictures.shape[0]

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    angle = uniform(-ROTATION_DEGREES, ROTATION_DEGREES) * (math.pi / 180.0)
    size = uniform(*SCALE)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    rows = [torch.stack([cos * mirror, -sin, uniform(-SHIFT, SHIFT)], 1)]
    rows.append(torch.stack([sin * mirror, cos, uniform(-SHIFT, SHIFT)], 1))
    grid = F.affine_grid(torch.stack(rows, 1), [count, 1, side, side], align_corners=False)
    images = F.grid_sample(plain(pictures), grid, padding_mode="border", align_corners=False)
    contrast, brightness = uniform(*CONTRAST), uniform(-BRIGHTNESS, BRIGHTNESS)
    images = images * contrast[:, None, None, None] + 2.0 * brightness[:, None, None, None]
    images = images + NOISE * torch.randn(images.shape, generator=generator)
    return images.clamp(-1.0, 1.0)


def plain(pictures: Tensor) -> Tensor:
    """The same range without variation, as in the package's normalisation."""
    return pictures.float() / 127.5 - 1.0


STRONG_WEIGHT = 2.0
"""Sampling weight of a radiologist's label relative to a mined one."""


class LabelledPictures(Dataset[tuple[Tensor, int]]):
    """Pictures with their labels as torch expects them: (1, rows, columns) uint8 and 0 or 1."""

    def __init__(self, pictures: NDArray[np.uint8], samples: Sequence[PneumoniaSample]) -> None:
        self._pictures = pictures
        self._labels = [int(sample.pneumonia) for sample in samples]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One of them."""
        return torch.from_numpy(np.array(self._pictures[index]))[None], self._labels[index]


def balanced_weights(samples: Sequence[PneumoniaSample]) -> list[float]:
    """Sampling weights that make the label independent of population and view.

    Each population is drawn equally often, within it each label, and within that each view: of NIH's weakly labelled
    images, the normal ones happen to be mostly AP and the others mostly PA. A radiologist's label counts
    :data:`STRONG_WEIGHT` times.
    """
    cells = [(sample.population, sample.pneumonia, sample.view) for sample in samples]
    views = {cell[:2]: len({other for other in cells if other[:2] == cell[:2]}) for cell in cells}
    worth = [STRONG_WEIGHT if sample.strong else 1.0 for sample in samples]
    total: dict[tuple[Population, bool, str], float] = {}
    for cell, value in zip(cells, worth, strict=True):
        total[cell] = total.get(cell, 0.0) + value
    return [value / total[cell] / views[cell[:2]] for cell, value in zip(cells, worth, strict=True)]
