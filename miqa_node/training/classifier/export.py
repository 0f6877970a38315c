"""From a fitted classifier to the graph of a package, checked against torch."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from miqa_node.assess.classify.classifier import IMAGE, LOGITS
from miqa_node.training.architectures import Classifier
from miqa_node.training.onnx_graph import write_graph

TAP = "tap_deep"
MAPS = "maps"
TOLERANCE = 1e-3
"""Largest allowed difference of an output between torch and ONNX Runtime, both in single precision."""


class _Exported(nn.Module):
    def __init__(self, net: Classifier) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, maps, deep = self.net.look(image)
        # Names of outputs belong to what comes out, so the tap gets a node of its own.
        return logits, maps, deep


def export_classifier(net: Classifier, path: Path, channels: int, rows: int, columns: int) -> float:
    """Write the graph; returns the largest difference of an output from torch.

    The graph takes ``image`` (1, channels, rows, columns) and gives ``logits`` (1, labels), ``maps`` (1, labels, h, w)
    and the last features ``tap_deep``, which Grad-CAM looks at.

    Raises
    ------
    ValueError
        The graph says something else than torch.
    """
    plain = _Exported(copy.deepcopy(net).eval())
    image = torch.rand((1, channels, rows, columns), generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0
    return write_graph(plain, path, [(image,)], [IMAGE], [LOGITS, MAPS, TAP], tolerance=TOLERANCE)
