"""From a fitted classifier to the graph of a package, checked against torch."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from miqa_node.assess.classify.classifier import IMAGE, LOGITS
from miqa_node.training.architectures import Classifier
from miqa_node.training.export import OPSET, forget_where_it_was_made

TAP = "tap_deep"
MAPS = "maps"
TOLERANCE = 1e-3
"""Largest allowed difference of a logit between torch and ONNX Runtime, both in single precision."""


class _Exported(nn.Module):
    def __init__(self, net: Classifier) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, maps, deep = self.net.look(image)
        # Names of outputs belong to what comes out, so the tap gets a node of its own.
        return logits, maps, deep


def export_classifier(net: Classifier, path: Path, channels: int, rows: int, columns: int) -> float:
    """Write the graph; returns the largest difference of a logit from torch.

    The graph takes ``image`` (1, channels, rows, columns) and gives ``logits`` (1, labels), ``maps`` (1, labels, h, w)
    and the last features ``tap_deep``, which Grad-CAM looks at.

    Raises
    ------
    ValueError
        The graph says something else than torch.
    """
    plain = _Exported(copy.deepcopy(net).eval())
    image = torch.rand((1, channels, rows, columns), generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0
    with warnings.catch_warnings():
        # The exporter of torch 2.13 calls functions that torch 2.13 itself deprecates.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            plain, (image,), dynamo=True, opset_version=OPSET, input_names=[IMAGE],
            output_names=[LOGITS, MAPS, TAP], verbose=False,
        )  # fmt: skip
    if program is None:
        msg = "torch.onnx.export gave no program"
        raise ValueError(msg)
    model: onnx.ModelProto = program.model_proto
    model.producer_name, model.doc_string = "miqa-node", ""
    forget_where_it_was_made(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        wanted = plain(image)[0].numpy()
    difference = float(np.abs(session.run([LOGITS], {IMAGE: image.numpy()})[0] - wanted).max())
    if difference > TOLERANCE * max(1.0, float(np.abs(wanted).max())):
        msg = f"the exported graph differs from torch by {difference:.2g}, {TOLERANCE:g} is allowed"
        raise ValueError(msg)
    return difference
