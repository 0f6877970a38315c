"""From the pretrained transformer to a graph with its tokens and its attention as outputs, checked against torch."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from miqa_node.training.attention.network import ExportedVit, VisionTransformer
from miqa_node.training.export import OPSET, TOLERANCE, forget_where_it_was_made

INPUT = "global_view"
TOKENS, MIDDLE, ATTENTION = OUTPUTS = ("tokens", "tap_middle", "attention")


def export_vit(encoder: VisionTransformer, path: Path) -> float:
    """Write the graph; returns the largest difference from torch, ValueError when that is above the tolerance."""
    plain = ExportedVit(encoder).eval()
    side = encoder.shape.side_px
    view = torch.randn((1, 1, side, side), generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        # The exporter of torch 2.13 calls functions that torch 2.13 itself deprecates.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        program = torch.onnx.export(
            plain, (view,), dynamo=True, opset_version=OPSET, input_names=[INPUT], output_names=OUTPUTS, verbose=False
        )
    if program is None:
        msg = "torch.onnx.export gave no program"
        raise ValueError(msg)
    model: onnx.ModelProto = program.model_proto
    model.producer_name, model.doc_string = "miqa-node", ""
    forget_where_it_was_made(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    difference: float = _difference(plain, path, view)
    if difference > TOLERANCE:
        msg = f"the exported graph differs from torch by {difference:.2g}, {TOLERANCE:g} is allowed"
        raise ValueError(msg)
    return difference


@torch.no_grad()
def _difference(plain: ExportedVit, path: Path, view: torch.Tensor) -> float:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(OUTPUTS), {INPUT: view.numpy()})
    pairs = zip(plain(view), found, strict=True)
    return max(float(np.abs(ours.numpy() - np.asarray(theirs)).max()) for ours, theirs in pairs)
