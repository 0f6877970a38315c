"""The three members of the ensemble, each with its available starting weights.

MobileNetV2 starts from ImageNet (published weights), the residual net from the quality task on chest radiographs, the
DenseNet from random weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_training.architectures import Architecture, ClassifierNet, build
from miqa_training.networks import GlobalNet, QualityNet, Widths
from miqa_training.pneumonia.data import LABELS
from miqa_training.pretrained import pretrained
from miqa_training.start import classes_in, read_weights

MEMBERS = ("resnet", "mobilenet", "densenet")


class QualityTrunk(nn.Module):
    """The residual stages of the quality network (:mod:`miqa_training.networks`)."""

    def __init__(self, net: GlobalNet) -> None:
        super().__init__()
        self.stem, self.stages = net.stem, nn.Sequential(net.stage1, net.stage2, net.stage3, net.stage4)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 160, H / 32, W / 32)."""
        deep: Tensor = self.stages(F.relu(self.stem(images)))
        return deep


def member(name: str, *, quality_graph: Path, mobilenet_file: Path, dropout: float = 0.3) -> ClassifierNet:
    """One member with its starting weights, before training on this task; takes (N, 1, H, W) of values -1 to 1."""
    if name == "mobilenet":
        return pretrained(Architecture.MOBILENET, mobilenet_file, len(LABELS), 1, dropout=dropout)
    if name == "densenet":
        return build(Architecture.DENSENET, len(LABELS), 1, dropout=dropout)
    return ClassifierNet(quality_trunk(quality_graph), Widths().global_stages[-1], len(LABELS), dropout)


@torch.no_grad()
def quality_trunk(graph: Path) -> QualityTrunk:
    """The trunk of a quality package's graph, whose normalisations are folded into the convolutions.

    The graph takes (x - 0.5) / 0.25, but the input here is 2x - 1, so the first convolution is doubled. Normalisations
    start as the identity; ``settle`` of :mod:`miqa_training.pretrained` then computes their statistics.
    """
    net = QualityNet(classes_in(graph))
    read_weights(net, graph)
    trunk = QualityTrunk(net.global_net)
    cast("nn.Conv2d", trunk.stem[0]).weight.mul_(2.0)
    return trunk
