"""Runs the graph of a package as the node does, for all evaluations; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from miqa_node.core.domain.instance import Header
from miqa_node.stages.assess.preprocess import Preprocess, TwoBranchInputs, prepare

OUTPUTS = ("logits", "severity", "maps", "tap_deep", "tap_fused")


@dataclass(frozen=True, slots=True)
class GraphPrediction:
    """The outputs of a graph for one image: ``logits`` and ``severity`` (C,), ``maps`` (C, h, w)."""

    logits: NDArray[np.float32]
    severity: NDArray[np.float32]
    maps: NDArray[np.float32]


class ImageJudge(Protocol):
    """Judges display pixels (rows, columns), 0 black, 65,535 white: a graph, or a model of measurements."""

    def __call__(self, display: NDArray[np.uint16]) -> GraphPrediction:
        """Judge one image."""


class QualityGraph:
    """A graph in ONNX Runtime with the preprocessing of its card."""

    def __init__(self, path: Path, spec: Preprocess, threads: int = 2) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.spec = spec
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, display: NDArray[np.uint16], header: Header | None = None) -> GraphPrediction:
        """Judge display pixels (rows, columns), 0 black, 65,535 white, with a header or without one."""
        return self.run(prepare(display, None, self.spec, header))

    def run(self, inputs: TwoBranchInputs) -> GraphPrediction:
        """Judge prepared inputs."""
        logits, severity, maps = self._session.run(list(OUTPUTS[:3]), inputs.arrays)
        return GraphPrediction(logits[0], severity[0], maps[0])
