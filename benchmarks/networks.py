"""Measures the processor time of each network of one image on one thread.

    python -m benchmarks.networks IMAGE... [--packages NAME...]

The images are pictures of chest radiographs; the first one warms up. Processor time instead of time on the clock, so
that other work on the machine counts little; on a busy machine shared caches and hyper-threads still make it longer.
``as_stored`` is the quality network without filters in whole blocks (stages/assess/blocked.py). ``yardstick``
is a MobileNetV2 backbone for one image of 640 × 640 px with three channels, so that figures of different machines can
be compared.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from benchmarks.machine import describe, keep
from miqa_node.core.settings import load_settings
from miqa_node.local import LocalAssessor
from miqa_node.stages.assess import blocked
from miqa_node.stages.assess.session import GraphSession

YARDSTICK_PX, YARDSTICK_RUNS = 640, 15
MOBILENET = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and first stride: table 2 of Sandler et al., CVPR 2018."""
Times = dict[str, list[float]]


def main() -> None:
    """Measure and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--packages", nargs="*", default=[])
    options = parser.parse_args()
    machine = describe()
    with patch.object(blocked, "in_whole_blocks", lambda _: None):
        stored = measure(options.images, [])
    keep("networks", machine, {
        "images": len(options.images) - 1,
        "networks": measure(options.images, options.packages),
        "yardstick": {"milliseconds": yardstick()},
        "as_stored": {name: row for name, row in stored.items() if name.startswith("quality")},
    })  # fmt: skip


def measure(images: Sequence[Path], packages: Sequence[str]) -> Mapping[str, Any]:
    """Runs of each graph in an image, and their median time in milliseconds."""
    settings = load_settings(None, assess={"intra_op_threads": 1, "inter_op_threads": 1})
    with timed() as times, LocalAssessor(settings, packages=packages) as assessor:
        for number, image in enumerate(images):
            if number == 1:
                times.clear()
            assessor.assess_file(image, modality="DX", body_part="CHEST", view="PA")
    count = len(images) - 1
    return {
        name: {"runs_an_image": round(len(times[name]) / count, 2), "milliseconds": milliseconds(times[name])}
        for name in sorted(times)
    }


def yardstick() -> float:
    """Median time of the backbone in milliseconds, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(backbone().SerializeToString(), options, providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).normal(size=(1, 3, YARDSTICK_PX, YARDSTICK_PX)).astype(np.float32)
    times = []
    for _ in range(1 + YARDSTICK_RUNS):
        begin = time.process_time()
        session.run(None, {"pixels": pixels})
        times.append(time.process_time() - begin)
    return milliseconds(times[1:])


def backbone() -> onnx.ModelProto:
    """MobileNetV2 with random weights and without normalisation, which is folded into weights before networks run."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    rng = np.random.default_rng(0)

    def convolution(
        values: str, inputs: int, outputs: int, size: int = 1, stride: int = 1, groups: int = 1, *, six: bool = True
    ) -> str:
        name, pad = f"v{len(nodes)}", size // 2
        weight = rng.normal(size=(outputs, inputs // groups, size, size)).astype(np.float32)
        weight /= np.sqrt(weight[0].size)
        weights.append(numpy_helper.from_array(weight, f"{name}.weight"))
        nodes.append(
            helper.make_node(
                "Conv", [values, f"{name}.weight"], [name], kernel_shape=[size, size], strides=[stride, stride],
                pads=[pad, pad, pad, pad], group=groups,
            )
        )  # fmt: skip
        if not six:
            return name
        nodes.append(helper.make_node("Clip", [name, "zero", "six"], [f"{name}.six"]))
        return f"{name}.six"

    for name, value in (("zero", 0.0), ("six", 6.0)):
        weights.append(numpy_helper.from_array(np.array(value, np.float32), name))
    values, inputs = convolution("pixels", 3, 32, 3, 2), 32
    for expansion, outputs, blocks, first_stride in MOBILENET:
        for block in range(blocks):
            stride, width = 1 if block else first_stride, inputs * expansion
            wide = values if expansion == 1 else convolution(values, inputs, width)
            narrow = convolution(convolution(wide, width, width, 3, stride, width), width, outputs, six=False)
            if stride == 1 and inputs == outputs:
                nodes.append(helper.make_node("Add", [values, narrow], [f"{narrow}.sum"]))
                narrow = f"{narrow}.sum"
            values, inputs = narrow, outputs
    features = convolution(values, inputs, 1280)
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "mobilenet",
        [tensor("pixels", onnx.TensorProto.FLOAT, [1, 3, YARDSTICK_PX, YARDSTICK_PX])],
        [tensor(features, onnx.TensorProto.FLOAT, None)], weights,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def milliseconds(seconds: Sequence[float]) -> float:
    """The median."""
    return round(1000.0 * float(np.median(seconds)), 1)


@contextmanager
def timed() -> Iterator[Times]:
    """Processor time of every run of a graph, by folder and file; ``maps`` is the graph of saliency."""
    times: Times = defaultdict(list)
    plain = GraphSession.run

    def run(self: GraphSession, *inputs: Any, **named: Any) -> Any:
        begin = time.process_time()
        values = plain(self, *inputs, **named)
        times[self.name or f"maps of {inputs[0][0]}"].append(time.process_time() - begin)
        return values

    with patch.object(GraphSession, "run", run):
        yield times


if __name__ == "__main__":
    main()
