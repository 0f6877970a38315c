"""Exports a fitted network as the graph of a package and checks it against torch."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from miqa_node.stages.assess.preprocess import Preprocess
from miqa_training import weights
from miqa_training.graph import OUTPUTS
from miqa_training.networks import ExportedNet, QualityNet
from miqa_training.numbers_net import NumbersNet
from miqa_training.onnx_graph import write_graph

N = TypeVar("N", bound=nn.Module)

INPUTS = ("global_view", "crops", "numbers")
TAPS = ("tap_deep", "tap_fused")


def export(net: QualityNet, path: Path, spec: Preprocess, beside: NumbersNet | None = None) -> float:
    """Write the graph; return the largest difference from torch; ValueError if it exceeds the tolerance.

    The graph has the input ``numbers`` where something is fitted to them.
    """
    generator = torch.Generator().manual_seed(0)
    view = torch.randn((1, 1, spec.global_view.rows, spec.global_view.columns), generator=generator)
    crops = torch.randn((5, 1, spec.crops.size_px, spec.crops.size_px), generator=generator)
    numbers = torch.randn((1, 2 * len(spec.numbers)), generator=generator)
    count = 2 if beside is None else 3
    inputs = INPUTS[:count]
    shapes = {"global_view": None, "crops": {0: torch.export.Dim("K", min=1, max=64)}, "numbers": None}
    return write_graph(
        ExportedNet(fold_normalisation(net), beside).eval(), path,
        [(view, crops, numbers)[:count], (view, crops[:2], numbers)[:count]], inputs, OUTPUTS,
        dynamic_shapes={name: shapes[name] for name in inputs}, parts=("crops",),
    )  # fmt: skip


def fold_normalisation(net: N) -> N:
    """A copy in evaluation mode with every batch normalisation folded into the convolution before it."""
    folded = weights.in_format(copy.deepcopy(net), torch.contiguous_format)
    folded.eval()
    for module in folded.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Sequential) and len(child) == 2 and isinstance(child[1], nn.BatchNorm2d):
                convolution, normalisation = child[0], child[1]
                if isinstance(convolution, nn.Conv2d):
                    fused = torch.nn.utils.fusion.fuse_conv_bn_eval(convolution, normalisation)
                    setattr(module, name, fused) if not name.isdigit() else module.register_module(name, fused)
    return folded
