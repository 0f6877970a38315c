"""Exports a fitted object network as a graph: evidence maps, and one logit for each finding."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from miqa_node.stages.assess.objects.card import INPUT, LOGITS, MAPS, TAP_DEEP, TAP_FUSED
from miqa_training import weights
from miqa_training.objects.network import ObjectNet
from miqa_training.onnx_graph import write_graph

SHARPNESS = 4.0
"""Of the soft maximum over the cells: close to the highest, but with a gradient at every cell that has evidence. With
the maximum itself, methods that need gradients could only repeat the highest cell."""


class ExportedObjectNet(nn.Module):
    """The graph of a network.

    ``maps`` (N, 3, h, w) probabilities; ``logits`` (N, 2): the highest evidence of something removable, and of a device
    or tube; the deepest and the fused activation, for methods that need gradients.
    """

    def __init__(self, net: ObjectNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        deep, fused = self.net.features(image)
        evidence = self.net.evidence(fused)
        devices = torch.maximum(evidence[:, 1:2], evidence[:, 2:3])
        both = torch.cat([evidence[:, :1], devices], 1)
        highest = torch.logsumexp(both * SHARPNESS, (2, 3)) / SHARPNESS
        return torch.sigmoid(evidence), highest, deep, fused


def export(net: ObjectNet, path: Path, side_px: int) -> float:
    """Write the graph; returns the largest difference from torch, ValueError if it is too large."""
    generator = torch.Generator().manual_seed(0)
    examples = [(torch.rand((1, 1, side_px, side_px), generator=generator) * 2 - 1,) for _ in range(2)]
    plain = weights.in_format(net.cpu().eval(), torch.contiguous_format)
    return write_graph(ExportedObjectNet(plain).eval(), path, examples, (INPUT,), (MAPS, LOGITS, TAP_DEEP, TAP_FUSED))
