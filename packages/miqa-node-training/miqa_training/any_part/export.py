"""Exports the network for any radiograph and checks it against torch."""

from __future__ import annotations

from pathlib import Path

import torch

from miqa_training.any_part.features import CROP_PX, VIEW_PX
from miqa_training.any_part.network import PartNet
from miqa_training.export import INPUTS, fold_normalisation
from miqa_training.graph import OUTPUTS
from miqa_training.onnx_graph import write_graph


def export(net: PartNet, path: Path) -> float:
    """Write the graph; returns the largest difference from torch."""
    generator = torch.Generator().manual_seed(0)
    view = torch.randn((1, 1, VIEW_PX, VIEW_PX), generator=generator)
    crops = torch.randn((5, 1, CROP_PX, CROP_PX), generator=generator)
    numbers = torch.tensor([[-0.2, 0.4, 1.0, 1.0]])
    return write_graph(
        fold_normalisation(net).eval(), path, [(view, crops, numbers), (view, crops[:2], numbers)], INPUTS, OUTPUTS,
        dynamic_shapes={"global_view": None, "crops": {0: torch.export.Dim("K", min=1, max=64)}, "numbers": None},
        parts=("crops",),
    )  # fmt: skip
