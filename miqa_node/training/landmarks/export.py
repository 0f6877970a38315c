"""From fitted landmark networks to graphs whose outputs are probabilities, fractions and counts; how both are run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from miqa_node.training import weights
from miqa_node.training.landmarks.losses import RIBS_TYPICAL, RIBS_UNIT, SCALE_OFFSET
from miqa_node.training.landmarks.network import WHOLE_IMAGE, LandmarkNet, LandmarkTask, places
from miqa_node.training.onnx_graph import write_graph

INPUT = "image"
Outputs = Mapping[str, NDArray[np.float64]]
"""Outputs of a graph for one image by name, without the batch axis."""


@dataclass(frozen=True, slots=True)
class LandmarkEstimate:
    """What the whole image gives.

    ``points`` (12, 2) as fractions of the image, also for points that are not visible; ``visible`` (12,) chance that a
    reader would mark the point; ``error`` (12, 2) expected absolute error; ``cut`` (4,) chance that lung is cut off at
    a side; ``margin`` (4,) distance of the lungs to that side, negative outside; ``ribs`` above the dome at image left;
    ``rotation`` a share, -1 to 1; ``grade`` (4,), ``mark`` (2,) and ``mirrored`` chances.
    """

    points: NDArray[np.float64]
    visible: NDArray[np.float64]
    error: NDArray[np.float64]
    cut: NDArray[np.float64]
    margin: NDArray[np.float64]
    ribs: float
    rotation: float
    grade: NDArray[np.float64]
    mark: NDArray[np.float64]
    mirrored: float

    @classmethod
    def of(cls, outputs: Outputs) -> Self:
        """From one run of the graph of WHOLE_IMAGE."""
        return cls(
            points=outputs["points"], visible=outputs["visible"], error=outputs["error"], cut=outputs["cut"],
            margin=outputs["margin"], ribs=float(outputs["ribs"][0]), rotation=float(outputs["rotation"][0]),
            grade=outputs["grade"], mark=outputs["mark"], mirrored=float(outputs["mirrored"][0]),
        )  # fmt: skip


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


class LandmarkGraph:
    """An exported graph in ONNX Runtime."""

    def __init__(self, path: Path, task: LandmarkTask = WHOLE_IMAGE, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._names = list(output_names(task))
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, image: NDArray[np.float32]) -> Outputs:
        """The outputs for a prepared image (1, 1, side, side)."""
        values = self._session.run(self._names, {INPUT: image})
        return {name: np.asarray(v[0], np.float64) for name, v in zip(self._names, values, strict=True)}
