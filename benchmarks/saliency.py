"""Measures what saliency costs: plain inference, with class maps, and with NormGrad of three layers.

    python -m benchmarks.saliency [--seconds 6]

Networks of the ResNet type with random weights (time does not depend on their values), normalisations folded, as
packages have them. The graphs take turns in one run, so that other load of the machine meets all alike. Ratios are of
processor time (median), which such load hardly moves, and of the clock (tenth percentile: the quiet moments).

``with_normgrad`` holds the forward pass too: it is what session B computes for a flagged image, after session A.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.machine import describe, keep
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.libraries.onnx_vjp import COMBINED, SEED, add_class_maps, add_maps
from miqa_node.stages.assess.session import GraphSession

CLASSES = 14
NETS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "resnet_tiny": ((16, 32, 64, 128), (1, 1, 1, 1)),
    "resnet_small": ((32, 64, 128, 256), (2, 2, 2, 2)),
    "resnet_18": ((64, 128, 256, 512), (2, 2, 2, 2)),
}
"""Widths and numbers of blocks of the four stages (He et al., CVPR 2016)."""
TAPS = ("stage2", "stage3", "stage4")
SIDES = (224, 320)
METHOD = "normgrad_scaling"


def main() -> None:
    """Measure every network at every size and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=6.0, help="per network and size")
    options = parser.parse_args()
    machine = describe()
    rows = [measure(name, side, options.seconds) for name in NETS for side in SIDES]
    targets = {"with_class_maps": 1.1, "with_normgrad": 2.0}
    keep("saliency", machine, {"image": "one, one channel", "taps": TAPS, "targets": targets, "networks": rows})


def measure(name: str, side: int, seconds: float) -> dict[str, Any]:
    """Milliseconds of each graph and their ratios to the plain one."""
    plain = resnet(*NETS[name], side)
    began = time.perf_counter()
    combined = add_maps(plain, TAPS, "logits", [COMBINED])
    building_s = time.perf_counter() - began
    last = add_maps(plain, TAPS[-1:], "logits", [METHOD])
    view = np.random.default_rng(0).standard_normal((1, 1, side, side)).astype(np.float32)
    runs = {
        "plain": _run(plain, ["logits"], view),
        "with_class_maps": _run(add_class_maps(plain), ["logits", "maps"], view),
        "normgrad_last_layer": _run(last, [METHOD], view, 1),
        "with_normgrad": _run(combined, [COMBINED], view, 1),
        "normgrad_of_three_findings": _run(combined, [COMBINED], view, 3),
    }
    clock, processor = _times(runs, seconds)
    quiet = {key: float(np.percentile(values, 10)) for key, values in clock.items()}
    worked = {key: float(np.median(values)) for key, values in processor.items()}
    return {
        "network": name,
        "side_px": side,
        "parameters": sum(int(np.prod(i.dims)) for i in plain.graph.initializer),
        "differentiated_in_s": round(building_s, 2),
        "rounds": len(clock["plain"]),
        "processor_ms": {key: round(value, 2) for key, value in worked.items()},
        "clock_ms": {key: round(value, 2) for key, value in quiet.items()},
        "ratios_of_processor_time": _ratios(worked),
        "ratios_of_clock": _ratios(quiet),
    }


def resnet(widths: Sequence[int], blocks: Sequence[int], side: int) -> onnx.ModelProto:
    """A ResNet of basic blocks with one input channel, random weights, and the stages' outputs as taps."""
    layers = _Layers()
    x = layers.relu(layers.convolution("image", 1, widths[0], 7, 2))
    x = layers.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    inputs = widths[0]
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), 1):
        for block in range(count):
            stride = 2 if block == 0 and stage > 1 else 1
            within = layers.convolution(
                layers.relu(layers.convolution(x, inputs, width, 3, stride)), width, width, 3, 1
            )
            same = stride == 1 and inputs == width
            beside = x if same else layers.convolution(x, inputs, width, 1, stride)
            name = f"stage{stage}" if block == count - 1 else ""
            x, inputs = layers.relu(layers.add("Add", [within, beside]), name), width
    flat = layers.add("Flatten", [layers.add("GlobalAveragePool", [x])])
    layers.add("Gemm", [flat, layers.weight((CLASSES, inputs)), layers.weight((CLASSES,))], "logits", transB=1)
    shape: list[str | int | None] = ["images", 1, side, side]
    graph = helper.make_graph(
        layers.nodes,
        "resnet",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["images", CLASSES])],
        layers.weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


class _Layers:
    """Collects the nodes and weights of a network."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(0)

    def add(self, op: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        name = name or f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def relu(self, x: str, name: str = "") -> str:
        return self.add("Relu", [x], name)

    def convolution(self, x: str, inputs: int, outputs: int, kernel: int, stride: int) -> str:
        parameters = [self.weight((outputs, inputs, kernel, kernel)), self.weight((outputs,))]
        pads = [kernel // 2] * 4
        return self.add("Conv", [x, *parameters], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)

    def weight(self, shape: Sequence[int]) -> str:
        spread = math.sqrt(2.0 / max(math.prod(shape[1:]), 1))
        array = (self._rng.standard_normal(tuple(shape)) * spread).astype(np.float32)
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name


def _run(
    model: onnx.ModelProto, outputs: Sequence[str], view: NDArray[np.float32], findings: int = 0
) -> Callable[[], object]:
    """A call that runs the model with the node's own settings of threads."""
    settings = load_settings().assess
    session = GraphSession(
        model.SerializeToString(),
        Accelerator.CPU,
        intra_op_threads=settings.intra_op_threads,
        inter_op_threads=settings.inter_op_threads,
    )
    inputs = {"image": view}
    if findings:
        inputs[SEED] = np.eye(CLASSES, dtype=np.float32)[:findings]
    return lambda: session.run(outputs, inputs)


def _times(
    runs: dict[str, Callable[[], object]], seconds: float
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds of each call by the clock and of all processors together; they take turns until the time is over."""
    clock: dict[str, list[float]] = {key: [] for key in runs}
    processor: dict[str, list[float]] = {key: [] for key in runs}
    for call in runs.values():
        call()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for key, call in runs.items():
            began, worked = time.perf_counter(), time.process_time()
            call()
            clock[key].append((time.perf_counter() - began) * 1e3)
            processor[key].append((time.process_time() - worked) * 1e3)
    return clock, processor


def _ratios(milliseconds: dict[str, float]) -> dict[str, float]:
    return {key: round(value / milliseconds["plain"], 2) for key, value in milliseconds.items() if key != "plain"}


if __name__ == "__main__":
    main()
