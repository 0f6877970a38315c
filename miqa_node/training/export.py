"""Exports a fitted network as the graph of a package and checks it against torch."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import nn

from miqa_node.assess.preprocess import Preprocess
from miqa_node.training import weights
from miqa_node.training.graph import OUTPUTS
from miqa_node.training.networks import ExportedNet, QualityNet
from miqa_node.training.onnx_graph import write_graph

INPUTS = ("global_view", "crops")
TAPS = ("tap_deep", "tap_fused")


def export(net: QualityNet, path: Path, spec: Preprocess) -> float:
    """Write the graph; return the largest difference from torch; ValueError if it exceeds the tolerance."""
    generator = torch.Generator().manual_seed(0)
    view = torch.randn((1, 1, spec.global_view.rows, spec.global_view.columns), generator=generator)
    crops = torch.randn((5, 1, spec.crops.size_px, spec.crops.size_px), generator=generator)
    return write_graph(
        ExportedNet(fold_normalisation(net)).eval(), path, [(view, crops), (view, crops[:2])], INPUTS, OUTPUTS,
        dynamic_shapes={"global_view": None, "crops": {0: torch.export.Dim("K", min=1, max=64)}},
    )  # fmt: skip


def fold_normalisation(net: QualityNet) -> QualityNet:
    """A copy in evaluation mode with every batch normalisation folded into the convolution before it."""
    folded: QualityNet = weights.in_format(copy.deepcopy(net).eval(), torch.contiguous_format)
    for module in folded.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Sequential) and len(child) == 2 and isinstance(child[1], nn.BatchNorm2d):
                convolution, normalisation = child[0], child[1]
                if isinstance(convolution, nn.Conv2d):
                    fused = torch.nn.utils.fusion.fuse_conv_bn_eval(convolution, normalisation)
                    setattr(module, name, fused) if not name.isdigit() else module.register_module(name, fused)
    return folded
