"""Exports the pretrained transformer as a graph with tokens and attention as outputs, and checks it against torch."""

from __future__ import annotations

from pathlib import Path

import torch

from miqa_training.attention.network import ExportedVit, VisionTransformer
from miqa_training.onnx_graph import write_graph

INPUT = "global_view"
TOKENS, MIDDLE, ATTENTION = OUTPUTS = ("tokens", "tap_middle", "attention")


def export_vit(encoder: VisionTransformer, path: Path) -> float:
    """Write the graph; return the largest difference from torch; ValueError if it exceeds the tolerance."""
    plain = ExportedVit(encoder).eval()
    side = encoder.shape.side_px
    view = torch.randn((1, 1, side, side), generator=torch.Generator().manual_seed(0))
    return write_graph(plain, path, [(view,)], [INPUT], OUTPUTS, is_for_one=True)
