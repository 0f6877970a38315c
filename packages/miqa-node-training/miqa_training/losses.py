"""The loss of the quality network: presence, severity, ranking and place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

POSITIVE_WEIGHT = 2.0
MARKED_SEVERITY = 0.4
SEVERITY_WEIGHT, ABSENT_WEIGHT = 1.5, 0.15
RANKING_WEIGHT, RANKING_GAP = 0.25, 0.15
CELL_WEIGHT, BOX_WEIGHT, PEAK_WEIGHT = 0.5, 1.0, 0.5
COMPACT_CELLS, COMPACT_WEIGHT = 36, 2.0
"""A box of at most this many cells (12 % of the side) surrounds one object and has more weight than larger boxes."""
POSITIVES_OF_AN_IMAGE = 8.0
"""Divisor of the sum over an image's wrong cells: about the number of cells that an object covers."""


@dataclass(frozen=True, slots=True)
class TargetBatch:
    """Targets of N samples, stacked; see ``samples.Sample`` for the planes, -1 is unknown."""

    present: Tensor
    severity: Tensor
    cells: Tensor
    boxes: Tensor


def total_loss(
    outputs: tuple[Tensor, ...], batch: TargetBatch, map_columns: list[int], ranking_weight: float = RANKING_WEIGHT
) -> tuple[Tensor, dict[str, float]]:
    """Weighted sum of the parts, and the parts for the log."""
    logits, severity_logits, cell_logits = (o.float() for o in outputs[:3])
    cell_logits = cell_logits[:, map_columns]
    parts = {
        "present": presence(logits, batch.present, batch.severity),
        "severity": SEVERITY_WEIGHT * severity(severity_logits, batch.severity),
        "ranking": ranking_weight * ranking(severity_logits, batch.severity),
        "cells": CELL_WEIGHT * cells(cell_logits, batch.cells),
        "boxes": BOX_WEIGHT * boxes(cell_logits, batch.boxes),
        "peaks": PEAK_WEIGHT * peaks(cell_logits, batch.cells, batch.boxes),
    }
    return torch.stack(list(parts.values())).sum(), {name: float(value.detach()) for name, value in parts.items()}


def presence(logits: Tensor, present: Tensor, degree: Tensor) -> Tensor:
    """Binary cross-entropy over known labels; a slight defect counts less than a marked one."""
    labelled = (present >= 0).float()
    marked = torch.where(degree > 0, (degree / MARKED_SEVERITY).clamp(0.25, 1.0), 1.0)
    weight = labelled * torch.where(present > 0, POSITIVE_WEIGHT * marked, 1.0)
    loss = F.binary_cross_entropy_with_logits(logits, present.clamp_min(0), reduction="none")
    # Sum over classes, mean over images: the weight of a class does not depend on their number.
    return (loss * weight).sum() / logits.shape[0] / 4.0


def severity(logits: Tensor, targets: Tensor) -> Tensor:
    """Smooth L1 of the severity; absent defects have little weight, because their severity means little."""
    weight = (targets > 0).float() + ABSENT_WEIGHT * (targets == 0).float()
    loss = F.smooth_l1_loss(logits.sigmoid(), targets.clamp_min(0), reduction="none", beta=0.1)
    return (loss * weight).sum() / weight.sum().clamp_min(1.0)


def ranking(logits: Tensor, targets: Tensor) -> Tensor:
    """Ranking loss over pairs of the batch, per class: the worse image must score higher (Burges et al., ICML 2005)."""
    labelled = targets >= 0
    gap = targets[:, None] - targets[None]
    pairs = (gap > RANKING_GAP) & labelled[:, None] & labelled[None]
    loss = F.softplus(-(logits[:, None] - logits[None]))
    return (loss * pairs).sum() / pairs.sum().clamp_min(1)


def cells(logits: Tensor, targets: Tensor) -> Tensor:
    """Focal loss (Lin et al., ICCV 2017) over cells with and without objects; confident wrong cells count most."""
    here, nowhere = (targets == 1).float(), (targets == 0).float()
    miss = (F.softplus(-logits) * here).sum((2, 3)) / here.sum((2, 3)).clamp_min(1.0)
    false = (logits.sigmoid().square() * F.softplus(logits) * nowhere).sum((2, 3)) / POSITIVES_OF_AN_IMAGE
    return (miss + false).sum() / logits.shape[0]


def boxes(logits: Tensor, numbers: Tensor) -> Tensor:
    """Multiple-instance loss: the best cells of each annotated box must be positive; boxes of leads are loose."""
    losses = []
    for image, plane in _annotated(numbers):
        values, number = logits[image, plane], numbers[image, plane]
        for box in torch.unique(number[number > 0]):
            inside = values[number == box]
            share = 3 if inside.numel() <= 16 else 10
            best = inside.topk(max(1, inside.numel() // share)).values
            weight = COMPACT_WEIGHT if inside.numel() <= COMPACT_CELLS else 1.0
            losses.append(weight * F.softplus(-best.mean()))
    return torch.stack(losses).sum() / logits.shape[0] / 3.0 if losses else logits.sum() * 0.0


def peaks(logits: Tensor, targets: Tensor, numbers: Tensor) -> Tensor:
    """The highest cell of a compact box (of any box if none is compact) must exceed all empty cells."""
    losses = []
    for image, plane in _annotated(numbers):
        values, number = logits[image, plane], numbers[image, plane]
        nowhere = values[targets[image, plane] == 0]
        sizes = torch.bincount(number[number > 0].long())
        compact = (sizes > 0) & (sizes <= COMPACT_CELLS)
        inside = values[compact[number.long()] & (number > 0)] if bool(compact.any()) else values[number > 0]
        if nowhere.numel():
            losses.append(F.softplus(1.0 + nowhere.max() - inside.max()))
    return torch.stack(losses).sum() / logits.shape[0] if losses else logits.sum() * 0.0


def _annotated(numbers: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(image, plane) of every plane with a box."""
    return list(zip(*torch.nonzero((numbers > 0).flatten(2).any(2), as_tuple=True), strict=True))
