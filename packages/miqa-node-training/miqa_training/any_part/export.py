"""Exports the network for any radiograph and checks it against torch."""

from __future__ import annotations

from pathlib import Path

import torch

from miqa_node.stages.assess.preprocess import Crops, GlobalView, Preprocess
from miqa_training.any_part.network import AnyPartNet, ExportedAnyPartNet
from miqa_training.any_part.sampler import CLASSES, CROP_PX, LONG_PX, PER_SIDE, VIEW_PX
from miqa_training.export import INPUTS, fold_normalisation
from miqa_training.graph import OUTPUTS
from miqa_training.onnx_graph import write_graph

SPEC = Preprocess(
    global_view=GlobalView(rows=VIEW_PX, columns=VIEW_PX),
    crops=Crops(size_px=CROP_PX, long_side_px=LONG_PX, most_per_side=PER_SIDE),
    numbers=("displayed_span", "displayed_mean"),
)
"""The preprocessing that training imitates."""


def read_checkpoint(path: Path) -> AnyPartNet:
    """The average of a run, in evaluation mode."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["classes"] != list(CLASSES):
        raise ValueError(f"{path.name} has other classes than this version trains: {', '.join(state['classes'])}.")
    net = AnyPartNet(len(CLASSES), CROP_PX)
    net.load_state_dict(state["average"])
    net.eval()
    return net


def export(net: AnyPartNet, path: Path) -> float:
    """Write the graph; returns the largest difference from torch."""
    generator = torch.Generator().manual_seed(0)
    view = torch.randn((1, 1, VIEW_PX, VIEW_PX), generator=generator)
    crops = torch.randn((5, 1, CROP_PX, CROP_PX), generator=generator)
    numbers = torch.tensor([[-0.2, 0.4, 1.0, 1.0]])
    return write_graph(
        ExportedAnyPartNet(fold_normalisation(net)).eval(), path, [(view, crops, numbers), (view, crops[:2], numbers)],
        INPUTS, OUTPUTS,
        dynamic_shapes={"global_view": None, "crops": {0: torch.export.Dim("K", min=1, max=64)}, "numbers": None},
        parts=("crops",),
    )  # fmt: skip
