"""The three members of the ensemble, each with the start that is at hand for it.

MobileNetV2 starts from ImageNet (published weights), the residual net from the quality task on chest radiographs, the
DenseNet from nothing.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_node.training.architectures import Architecture, Classifier, build
from miqa_node.training.networks import GlobalNet, Widths
from miqa_node.training.pneumonia.data import LABELS
from miqa_node.training.pretrained import pretrained

MEMBERS = ("resnet", "mobilenet", "densenet")
TRUNK_CONVOLUTIONS = 19
"""Of the quality network's global view: one of the stem, three of the first stage, five of each other stage."""


class QualityTrunk(nn.Module):
    """The residual stages of the quality network (:mod:`miqa_node.training.networks`)."""

    def __init__(self) -> None:
        super().__init__()
        net = GlobalNet(Widths())
        self.stem, self.stages = net.stem, nn.Sequential(net.stage1, net.stage2, net.stage3, net.stage4)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 160, H / 32, W / 32)."""
        deep: Tensor = self.stages(F.relu(self.stem(images)))
        return deep


def member(name: str, *, quality_graph: Path, mobilenet_file: Path, dropout: float = 0.3) -> Classifier:
    """One member with its start, before training on this task; takes (N, 1, H, W) of values -1 to 1."""
    if name == "mobilenet":
        return pretrained(Architecture.MOBILENET, mobilenet_file, len(LABELS), 1, dropout=dropout)
    if name == "densenet":
        return build(Architecture.DENSENET, len(LABELS), 1, dropout=dropout)
    trunk = QualityTrunk()
    start_from_quality(trunk, quality_graph)
    return Classifier(trunk, Widths().global_stages[-1], len(LABELS), dropout)


@torch.no_grad()
def start_from_quality(trunk: QualityTrunk, graph: Path) -> None:
    """Fill the trunk from a quality package's graph, whose convolutions hold their normalisation.

    The graph takes (x - 0.5) / 0.25 and here 2x - 1 goes in, so the first convolution is doubled. Normalisations
    begin as the identity; ``settle`` of :mod:`miqa_node.training.pretrained` then gives them their statistics.
    """
    model = onnx.load(str(graph))
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    reached = _reached_from(model, "global_view")
    nodes = [node for node in nodes if node.output[0] in reached][:TRUNK_CONVOLUTIONS]
    pairs = [m for m in trunk.modules() if isinstance(m, nn.Sequential) and isinstance(m[0], nn.Conv2d)]
    for index, (pair, node) in enumerate(zip(pairs, nodes, strict=True)):
        convolution, norm = pair[0], pair[1]
        weight, bias = (torch.from_numpy(constants[name].copy()) for name in node.input[1:3])
        if weight.shape != convolution.weight.shape:
            raise ValueError(f"{graph} holds another network than training/networks.py makes.")
        convolution.weight.copy_(weight * (2.0 if index == 0 else 1.0))
        norm.weight.fill_((1.0 + norm.eps) ** 0.5)  # variance 1, mean 0: only the bias is left of it
        norm.bias.copy_(bias)


def _reached_from(model: onnx.ModelProto, name: str) -> set[str]:
    reached = {name}
    for node in model.graph.node:
        if reached.intersection(node.input):
            reached.update(node.output)
    return reached
