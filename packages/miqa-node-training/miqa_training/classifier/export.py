"""Exports a fitted classifier as the graph of a package and checks it against torch."""

from __future__ import annotations

import copy
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from miqa_node.stages.assess.classify.card import IMAGE, LOGITS
from miqa_node.stages.assess.classify.classifier import FINE_TAP, TAP
from miqa_training.architectures import ClassifierNet
from miqa_training.onnx_graph import write_graph

MAPS = "maps"
RECTIFIERS = frozenset({"Relu", "Clip"})
TOLERANCE = 1e-3
"""Largest allowed difference of an output between torch and ONNX Runtime, both in single precision."""


class _TapNet(nn.Module):
    def __init__(self, net: ClassifierNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, maps, deep = self.net.look(image)
        # The name of an output belongs to the last node that gives it, so the tap gets a separate node.
        return logits, maps, deep


def export_classifier(net: ClassifierNet, path: Path, channels: int, rows: int, columns: int) -> float:
    """Write the graph; returns the largest difference of an output from torch.

    The graph takes ``image`` (1, channels, rows, columns) and returns ``logits`` (1, labels), ``maps`` (1, labels, h,
    w) and the last features ``tap_deep``, which Grad-CAM uses.

    Raises
    ------
    ValueError
        The outputs of graph and torch differ.
    """
    plain = _TapNet(copy.deepcopy(net).eval())
    image = torch.rand((1, channels, rows, columns), generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0
    return write_graph(plain, path, [(image,)], [IMAGE], [LOGITS, MAPS, TAP], tolerance=TOLERANCE)


def name_fine_features(path: Path, rows: int) -> None:
    """Name the last rectified features with that number of rows ``tap_fine``; they give finer maps than ``tap_deep``.

    Raises
    ------
    ValueError
        The graph has no such features.
    """
    model = onnx.load(str(path))
    shaped = onnx.shape_inference.infer_shapes(model).graph.value_info
    fine = {v.name for v in shaped if _rows(v) == rows}
    named = [n.output[0] for n in model.graph.node if n.op_type in RECTIFIERS and n.output[0] in fine]
    if not named:
        msg = f"{path.name} has no rectified features of {rows} rows"
        raise ValueError(msg)
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [FINE_TAP if name == named[-1] else name for name in names]
    onnx.save(model, str(path))


def _rows(value: onnx.ValueInfoProto) -> int:
    dims = value.type.tensor_type.shape.dim
    return int(dims[2].dim_value) if len(dims) == 4 else 0
