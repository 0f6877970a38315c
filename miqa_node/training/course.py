"""The course of fitting a classifier: how fast each part of it learns at which step, and the average that ships."""

from __future__ import annotations

import math

import torch
from torch import nn

from miqa_node.training.architectures import Classifier


def optimiser(net: Classifier, features_rate: float, evidence_rate: float, decay: float) -> torch.optim.AdamW:
    """AdamW with a rate of their own for features, which may have learned before."""
    groups = [
        {"params": net.features.parameters(), "lr": features_rate},
        {"params": net.evidence.parameters(), "lr": evidence_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=decay)


def rate(step: int, steps: int) -> float:
    """Share of the rate: warm up over a twentieth of the steps, then fall as a cosine to nearly nothing."""
    warm = max(1, steps // 20)
    return (step + 1) / warm if step < warm else 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@torch.no_grad()
def follow(averaged: nn.Module, net: nn.Module, share: float) -> None:
    """Move the average towards the network, keeping ``share`` of it; counters are copied."""
    for old, new in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.mul_(share).add_(new, alpha=1.0 - share)
        else:
            old.copy_(new)
