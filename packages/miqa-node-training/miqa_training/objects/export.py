"""Exports a fitted object network as a graph: evidence maps, and one logit for each finding."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from miqa_node.stages.assess.objects.card import INPUT, LOGITS, MAPS, TAP_DEEP, TAP_FUSED
from miqa_training import weights
from miqa_training.objects.network import ObjectNet
from miqa_training.objects.score import image_scores
from miqa_training.onnx_graph import write_graph

SOFTENED = (0.08, 0.84, 0.08)
"""Filter of rows and columns: training pictures are reduced twice, to be stored and to be drawn, a node's only once."""


class ExportedObjectNet(nn.Module):
    """The graph of a network.

    ``maps`` (N, 3, h, w) probabilities; ``logits`` (N, 2): the image's scores of something removable, and of a device
    or tube; the deepest and the fused activation, for methods that need gradients.
    """

    def __init__(self, net: ObjectNet) -> None:
        super().__init__()
        self.net = net
        taps = torch.tensor(SOFTENED)
        self.register_buffer("softening", torch.outer(taps, taps)[None, None])

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        soft = F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), cast("Tensor", self.softening))
        deep, fused = self.net.features(soft)
        evidence = self.net.evidence(fused)
        return torch.sigmoid(evidence), image_scores(evidence), deep, fused


@torch.no_grad()
def grey_stem(net: ObjectNet) -> ObjectNet:
    """A copy that reads one channel: the published stem sees three, which are alike on a radiograph, so they add up."""
    copied = copy.deepcopy(net)
    for place, layer in enumerate(copied.backbone.stem):
        if isinstance(layer, nn.Conv2d):
            one = nn.Conv2d(1, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, bias=False)  # type: ignore[arg-type, unused-ignore]
            one.weight.copy_(layer.weight.sum(1, keepdim=True))
            copied.backbone.stem[place] = one
    return copied


def export(net: ObjectNet, path: Path, side_px: int) -> float:
    """Write the graph; returns the largest difference from torch, ValueError if it is too large."""
    generator = torch.Generator().manual_seed(0)
    examples = [(torch.rand((1, 1, side_px, side_px), generator=generator) * 2 - 1,) for _ in range(2)]
    plain = weights.in_format(grey_stem(net.cpu()).eval(), torch.contiguous_format)
    return write_graph(ExportedObjectNet(plain).eval(), path, examples, (INPUT,), (MAPS, LOGITS, TAP_DEEP, TAP_FUSED))
