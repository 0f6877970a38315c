"""The head of the network for any radiograph: what hundreds of known features say of each defect."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from miqa_node.libraries.plain_statistics.platt import LEAST_LABELS, fit_scaling
from miqa_training import losses
from miqa_training.any_part.corpus import CHEST
from miqa_training.any_part.sampler import CLASSES
from miqa_training.any_part.table import SampleTable

FAR = 2.5
"""Features further than so many spreads from their median are as good as that far: sources differ."""
QUARTERS, NORMAL_WIDTH = (25.0, 50.0, 75.0), 1.349
DISPLAYED = 2
"""Of the input ``numbers``, the span and the mean of what is displayed."""


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """One fit; several members with different seeds are averaged."""

    members: int = 2
    hidden: int = 64
    rounds: int = 6
    batch: int = 128
    rate: float = 2e-3
    decay: float = 1.0
    drop: float = 0.5
    noise: float = 0.3
    seed: int = 1


class Head(nn.Module):
    """Logits and severity logits (N, C) of features (N, F).

    Logits are the mean of a discriminant and of the members, each one hidden layer and a bypass.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, features: int, settings: HeadSettings) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.members = nn.ModuleList(_Member(features, settings) for _ in range(settings.members))
        self.discriminant = nn.Linear(features, len(CLASSES))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        scaled = self.scaled(features)
        both = torch.stack([member(scaled) for member in self.members], 2).mean(2)
        logits, severity = both.chunk(2, 1)
        return (logits + self.discriminant(scaled)) / 2.0, severity

    def scaled(self, features: Tensor) -> Tensor:
        """Features in spreads from their median."""
        return ((features - self.middle) / self.spread).clamp(-FAR, FAR)

    def settle(self, features: NDArray[np.float32]) -> None:
        """Take median and spread of these features."""
        low, middle, high = np.percentile(features, QUARTERS, axis=0)
        spread = np.maximum((high - low) / NORMAL_WIDTH, 0.3 * features.std(0)) + 1e-4
        self.middle.copy_(torch.from_numpy(middle.astype(np.float32)))
        self.spread.copy_(torch.from_numpy(spread.astype(np.float32)))


class _Member(nn.Module):
    def __init__(self, features: int, settings: HeadSettings) -> None:
        super().__init__()
        self.drop = nn.Dropout(settings.drop)
        self.hidden = nn.Linear(features, settings.hidden)
        self.judge = nn.Linear(settings.hidden, 2 * len(CLASSES))
        self.bypass = nn.Linear(features, 2 * len(CLASSES), bias=False)
        nn.init.zeros_(self.bypass.weight)

    def forward(self, scaled: Tensor) -> Tensor:
        inputs = self.drop(scaled)
        both: Tensor = self.judge(self.drop(torch.relu(self.hidden(inputs)))) + self.bypass(inputs)
        return both


FOLDS = (("fracatlas",), ("commons", "ddh", "graz"))
"""Sources that are left out together: half of the images each."""


def seen(features: NDArray[np.float32], numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the head sees: the features, and the numbers of what is displayed."""
    return np.concatenate([features, numbers[:, :DISPLAYED]], 1)


def fit_heads(table: SampleTable, settings: HeadSettings) -> dict[str, Head]:
    """A head for each source that never saw it, and "" for that of all sources."""
    features = seen(table.features, table.numbers)
    heads = {"": fit_head(table, features, np.ones(len(features), np.bool_), settings)}
    for fold in FOLDS:
        head = fit_head(table, features, ~np.isin(table.source, fold), settings)
        heads |= dict.fromkeys(fold, head)
    return heads


def fit_head(
    table: SampleTable, features: NDArray[np.float32], rows: NDArray[np.bool_], settings: HeadSettings
) -> Head:
    """Fit to the rows of a table; ``features`` (M, F) are what the head sees."""
    torch.manual_seed(settings.seed)
    head = Head(features.shape[1], settings)
    head.settle(features[rows])
    with torch.no_grad():
        scaled = head.scaled(torch.from_numpy(features[rows]))
    present, severity = (torch.from_numpy(column[rows]) for column in (table.present, table.severity))
    for member in head.members:
        _fit_member(member, scaled, present, severity, settings)
    weights, biases = fit_discriminant(
        scaled.double().numpy(), table.present[rows], table.severity[rows], table.source[rows] == CHEST
    )
    head.discriminant.weight.data.copy_(torch.from_numpy(weights))
    head.discriminant.bias.data.copy_(torch.from_numpy(biases))
    head.eval()
    return head


def _fit_member(member: nn.Module, scaled: Tensor, present: Tensor, severity: Tensor, settings: HeadSettings) -> None:
    optimiser = torch.optim.AdamW(member.parameters(), lr=settings.rate, weight_decay=settings.decay)
    steps = max(1, math.ceil(settings.rounds * len(scaled) / settings.batch))
    falling = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=steps, pct_start=0.1)
    member.train()
    for _ in range(steps):
        some = torch.randint(len(scaled), (settings.batch,))
        noisy = scaled[some] + settings.noise * torch.randn((settings.batch, scaled.shape[1]))
        logits, grades = member(noisy).chunk(2, 1)
        loss = losses.presence(logits, present[some], severity[some]) + losses.severity(grades, severity[some])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        falling.step()


SHRINKAGE = 0.3
"""Share of the mean variance in place of the covariance: there are hundreds of features and 88 pictures."""
LEAST_WEIGHT = 0.25
"""Weight of a slight defect; severe ones have 1."""
Matrix = NDArray[np.float64]


def fit_discriminant(
    scaled: Matrix, present: NDArray[np.float32], severity: NDArray[np.float32], groups: NDArray[np.bool_]
) -> tuple[Matrix, Matrix]:
    """Weights (C, F) and biases (C) that make logits of features (M, F); zero for a class with few samples.

    ``present`` (M, C) is 1, 0, or -1 where nobody knows. Images of both ``groups`` count alike, however many there are.
    """
    clean = (present == 0).all(1)
    members = [one for one in (clean & groups, clean & ~groups) if one.sum() > LEAST_LABELS]
    weights, biases = np.zeros((present.shape[1], scaled.shape[1])), np.zeros(present.shape[1])
    if not members:
        return weights, biases
    usual = np.mean([_covariance(scaled[one]) for one in members], axis=0)
    for column in range(present.shape[1]):
        made, without = present[:, column] == 1, present[:, column] == 0
        if min(made.sum(), without.sum()) < LEAST_LABELS:
            continue
        grade = np.clip(severity[made, column], LEAST_WEIGHT, 1.0)
        change = np.average(scaled[made], axis=0, weights=grade) - scaled[clean | without].mean(0)
        direction = np.linalg.solve(_shrunk((usual + _covariance(scaled[made])) / 2.0), change)
        sure = made | without
        scaling = fit_scaling(scaled[sure] @ direction, made[sure])
        if scaling is not None:
            weights[column] = direction / scaling.temperature
            biases[column] = scaling.bias / scaling.temperature
    return weights, biases


def _covariance(values: Matrix) -> Matrix:
    centred = values - values.mean(0)
    return np.asarray(centred.T @ centred / len(centred))


def _shrunk(covariance: Matrix) -> Matrix:
    mean = np.trace(covariance) / len(covariance)
    return np.asarray((1.0 - SHRINKAGE) * covariance + SHRINKAGE * mean * np.eye(len(covariance)))
