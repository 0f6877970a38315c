"""Fits a classifier to preprocessed pictures: every label is drawn equally often, and each picture is varied."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_training.architectures import ClassifierNet
from miqa_training.loop import TrainingSchedule, TrainingTask, train, warm_cosine
from miqa_training.pretrained import settle

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClassifierRecipe:
    """How a classifier is trained; an epoch draws as many pictures as there are, balanced by label."""

    epochs: int = 12
    least_steps: int = 150
    """Minimum number of steps: small data sets run for more than ``epochs`` epochs."""
    batch: int = 32
    rate: float = 1e-3
    pretrained_rate: float = 3e-4
    decay: float = 1e-2
    smoothing: float = 0.05
    average: float = 0.99
    """Decay of the moving average of the weights; the average is shipped."""
    rotation_degrees: float = 10.0
    scale: float = 0.12
    shift: float = 0.06
    brightness: float = 0.15
    mirror: bool = False
    """Left-right flips; off by default, because laterality matters in most medical images."""
    seed: int = 1


def fit(
    net: ClassifierNet,
    pictures: NDArray[np.uint8],
    labels: Sequence[int],
    recipe: ClassifierRecipe,
    *,
    starts_trained: bool,
) -> ClassifierNet:
    """The fitted network in evaluation mode; ``pictures`` is (N, rows, columns) or (N, rows, columns, 3)."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    if starts_trained:
        step = max(1, len(pictures) // 256)
        settle(net, (plain(part) for part in _batches(pictures[::step], 32)))
    steps = max(recipe.least_steps, wish := recipe.epochs * len(pictures) // recipe.batch)
    if steps > wish:
        epochs = round(steps * recipe.batch / len(pictures), 1)
        log.warning("more epochs than asked for: a training has a least number of steps", epochs=epochs, steps=steps)
    rate = recipe.pretrained_rate if starts_trained else recipe.rate
    weights = torch.tensor(balanced_weights(labels), dtype=torch.float64)
    targets = torch.tensor(labels)

    def drawn() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            chosen = torch.multinomial(weights, recipe.batch, replacement=True, generator=generator)
            yield plain(pictures[chosen.numpy()]), targets[chosen]

    return fit_classifier(
        net, drawn(), lambda images: vary(images, recipe, generator),
        TrainingSchedule(rate=warm_cosine(steps), average=recipe.average, steps=steps, bfloat16=False,
                         epoch_steps=len(pictures) / recipe.batch),
        rates=(rate, recipe.rate), decay=recipe.decay, smoothing=recipe.smoothing,
    )  # fmt: skip


def fit_classifier(
    net: ClassifierNet,
    batches: Iterable[tuple[Tensor, Tensor]],
    vary: Callable[[Tensor], Tensor],
    schedule: TrainingSchedule,
    *,
    rates: tuple[float, float],
    decay: float,
    smoothing: float,
) -> ClassifierNet:
    """The averaged network, fitted on ``batches`` of (pictures, labels), each varied by ``vary``.

    ``rates`` are the learning rates of the features and of the head; ``smoothing`` is the label smoothing. A resumed
    run draws the batches before its checkpoint again and discards them.
    """
    parts = [
        {"params": net.features.parameters(), "lr": rates[0]},
        {"params": net.evidence.parameters(), "lr": rates[1]},
    ]
    loss_of = nn.CrossEntropyLoss(label_smoothing=smoothing)

    def loss(logits: Tensor, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
        value = loss_of(logits.float(), batch[1])
        return value, {"loss": float(value.detach())}

    def varied(first: int) -> Iterator[tuple[Tensor, Tensor]]:
        return ((vary(pictures), labels) for pictures, labels in islice(batches, first, None))

    average = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(parts, weight_decay=decay)
    train(TrainingTask(net, average, optimizer, varied, lambda batch: net(batch[0]), loss), schedule)
    return average


@torch.no_grad()
def logits_of(net: ClassifierNet, pictures: NDArray[np.uint8], batch: int = 64) -> NDArray[np.float64]:
    """Logits (N, labels) of the unvaried pictures."""
    net.eval()
    return np.concatenate([net(plain(part)).double().numpy() for part in _batches(pictures, batch)])


def plain(pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures with the package's normalisation: (N, channels, rows, columns) from -1 to 1."""
    images = torch.from_numpy(np.ascontiguousarray(pictures)).float() / 127.5 - 1.0
    return images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()


def vary(images: Tensor, recipe: ClassifierRecipe, generator: torch.Generator) -> Tensor:
    """Rotate, scale, shift and brighten (and mirror) each picture independently."""
    count = images.shape[0]

    def uniform(extent: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2.0 - 1.0) * extent

    angle, size = uniform(recipe.rotation_degrees) * (math.pi / 180.0), 1.0 + uniform(recipe.scale)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5 * recipe.mirror, -1.0, 1.0)
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    rows = [torch.stack([cos * mirror, -sin, uniform(recipe.shift)], 1)]
    rows.append(torch.stack([sin * mirror, cos, uniform(recipe.shift)], 1))
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    contrast = 1.0 + uniform(recipe.brightness)
    brightness = uniform(recipe.brightness)
    return (moved * contrast[:, None, None, None] + brightness[:, None, None, None]).clamp(-1.0, 1.0)


def balanced_weights(labels: Sequence[int]) -> list[float]:
    """Sampling weights that draw every label equally often."""
    counts = Counter(labels)
    return [1.0 / counts[label] for label in labels]


def _batches(pictures: NDArray[np.uint8], size: int) -> Iterator[NDArray[np.uint8]]:
    return (pictures[at : at + size] for at in range(0, len(pictures), size))
