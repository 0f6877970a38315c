"""The network for any radiograph as its package holds it: known features and a fitted head, in one graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from miqa_training.any_part.features import PartFeatures, joined
from miqa_training.any_part.head import DISPLAYED, Head
from miqa_training.any_part.sampler import CLASSES
from miqa_training.networks import QualityNet
from miqa_training.samples import COLUMN as QUALITY_COLUMN


class PartNet(nn.Module):
    """Logit, severity and a map for each class; see the contract in the package's card.

    The maps are the class maps that the quality package learned on chests.
    """

    def __init__(self, quality: QualityNet, groups: Sequence[str], head: Head) -> None:
        super().__init__()
        self.features, self.head = PartFeatures(quality, groups), head
        self.rows = [QUALITY_COLUMN[name] for name in CLASSES]

    def forward(self, global_view: Tensor, crops: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        """Logits (N, C), severity in [0, 1] (N, C), maps in [0, 1] (N, C, H/8, W/8), taps."""
        groups, cells, deep, fused = self.features.of_view(global_view)
        features = joined(groups | self.features.of_crops(crops, int(global_view.shape[0])))
        logits, severity = self.head(torch.cat([features, numbers[:, :DISPLAYED]], 1))
        return logits, severity.sigmoid(), cells[:, self.rows].sigmoid(), deep, fused


def parameters(net: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(p.numel() for p in net.parameters())
