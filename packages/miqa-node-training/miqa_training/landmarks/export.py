"""Exports fitted landmark networks as graphs whose outputs are probabilities, fractions and counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from miqa_node.stages.assess.landmarks.estimate import INPUT
from miqa_training import weights
from miqa_training.landmarks.losses import RIBS_TYPICAL, RIBS_UNIT, SCALE_OFFSET
from miqa_training.landmarks.network import LandmarkNet, LandmarkTask, places
from miqa_training.onnx_graph import write_graph


class ExportedLandmarkNet(nn.Module):
    """The graph of a network; its outputs are named by :func:`output_names`."""

    def __init__(self, net: LandmarkNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Points (N, P, 2) as fractions of the input, then the state."""
        heat, state = self.net(image)
        return places(heat), *(_FINISH[name](values) for name, values in state.items())


_FINISH: Mapping[str, Callable[[Tensor], Tensor]] = {
    "visible": torch.sigmoid,
    "scale": lambda values: (values.clamp(-3.0, 5.0) - SCALE_OFFSET).exp().reshape(len(values), -1, 2),
    "cut": torch.sigmoid,
    "margin": lambda values: values,
    "ribs": lambda values: values * RIBS_UNIT + RIBS_TYPICAL,
    "rotation": lambda values: values.clamp(-1.0, 1.0),
    "grade": torch.sigmoid,
    "mark": torch.sigmoid,
    "mirrored": torch.sigmoid,
}


def output_names(task: LandmarkTask) -> tuple[str, ...]:
    """The graph's outputs in order; the network's log-scale becomes the expected error."""
    return ("points", *("error" if name == "scale" else name for name in task.state))


def export(net: LandmarkNet, path: Path) -> float:
    """Write the graph for one image; returns the largest difference from torch.

    Raises
    ------
    ValueError
        The difference is above the tolerance of :func:`write_graph`.
    """
    side = net.task.side_px
    generator = torch.Generator().manual_seed(0)
    examples = [(torch.rand((1, 1, side, side), generator=generator) * 2 - 1,) for _ in range(2)]
    plain = weights.in_format(net.eval(), torch.contiguous_format)
    return write_graph(ExportedLandmarkNet(plain).eval(), path, examples, (INPUT,), output_names(net.task))
