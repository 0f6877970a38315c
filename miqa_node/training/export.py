"""From a fitted network to the graph of a package, checked against torch."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from miqa_node.assess.preprocess import Preprocess
from miqa_node.training.graph import OUTPUTS, Graph, Prediction
from miqa_node.training.networks import ExportedNet, QualityNet

OPSET = 18
INPUTS = ("global_view", "crops")
TAPS = ("tap_deep", "tap_fused")
TOLERANCE = 2e-4
"""Largest allowed difference between torch and ONNX Runtime in any output, both in single precision."""

__all__ = ["INPUTS", "OUTPUTS", "TAPS", "Graph", "Prediction", "compare", "export", "fold_normalisation"]


def export(net: QualityNet, path: Path, spec: Preprocess) -> float:
    """Write the graph; returns the largest difference from torch, ValueError when that is above the tolerance."""
    plain = ExportedNet(fold_normalisation(net)).eval()
    generator = torch.Generator().manual_seed(0)
    view = torch.randn((1, 1, spec.global_view.rows, spec.global_view.columns), generator=generator)
    crops = torch.randn((5, 1, spec.crops.size_px, spec.crops.size_px), generator=generator)
    with warnings.catch_warnings():
        # The exporter of torch 2.13 calls functions that torch 2.13 itself deprecates.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        program = torch.onnx.export(
            plain, (view, crops), dynamo=True, opset_version=OPSET, input_names=INPUTS, output_names=OUTPUTS,
            dynamic_shapes={"global_view": None, "crops": {0: torch.export.Dim("K", min=1, max=64)}}, verbose=False,
        )  # fmt: skip
    if program is None:
        msg = "torch.onnx.export gave no program"
        raise ValueError(msg)
    model: onnx.ModelProto = program.model_proto
    model.producer_name, model.doc_string = "miqa-node", ""
    forget_where_it_was_made(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    difference: float = compare(plain, path, view, crops)
    if difference > TOLERANCE:
        msg = f"the exported graph differs from torch by {difference:.2g}, {TOLERANCE:g} is allowed"
        raise ValueError(msg)
    return difference


@torch.no_grad()
def compare(net: nn.Module, path: Path, view: torch.Tensor, crops: torch.Tensor) -> float:
    """Largest absolute difference in any output between torch and ONNX Runtime, for two numbers of crops."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for some in (crops, crops[:2]):
        wanted = net(view, some)
        got = session.run(list(OUTPUTS), {"global_view": view.numpy(), "crops": some.numpy()})
        for ours, theirs in zip(wanted, got, strict=True):
            worst = max(worst, float(np.abs(ours.numpy() - np.asarray(theirs)).max()))
    return worst


def fold_normalisation(net: QualityNet) -> QualityNet:
    """A copy in evaluation mode with every batch normalisation folded into the convolution before it."""
    folded: QualityNet = copy.deepcopy(net).eval().to(memory_format=torch.contiguous_format)
    for module in folded.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Sequential) and len(child) == 2 and isinstance(child[1], nn.BatchNorm2d):
                convolution, normalisation = child[0], child[1]
                if isinstance(convolution, nn.Conv2d):
                    fused = torch.nn.utils.fusion.fuse_conv_bn_eval(convolution, normalisation)
                    setattr(module, name, fused) if not name.isdigit() else module.register_module(name, fused)
    return folded


def forget_where_it_was_made(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes of every node: stack traces with the paths of the machine."""
    del model.metadata_props[:]
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
