"""Measures the processor time of each network of one image on one thread.

    python -m benchmarks.networks IMAGE... [--packages NAME...]

The images are pictures of chest radiographs; the first one warms up. Processor time instead of time on the clock, so
that other work on the machine counts little; on a busy machine shared caches and hyper-threads still make it longer.
``as_stored`` is the quality network without filters in whole blocks (:mod:`miqa_node.assess.blocked`). ``yardstick``
is a MobileNetV2 backbone for one image of 640 × 640 px with three channels in the same session options, so that
figures of different machines can be compared. Needs `make setup-train`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from benchmarks.machine import describe, keep
from miqa_node.assess import blocked
from miqa_node.assess.session import GraphSession
from miqa_node.local import LocalAssessor
from miqa_node.settings import load_settings
from miqa_node.training.architectures import MOBILENET_STAGES

YARDSTICK_PX, YARDSTICK_RUNS = 640, 15
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
    pixels = torch.randn(1, 3, YARDSTICK_PX, YARDSTICK_PX)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "yardstick.onnx")
        torch.onnx.export(backbone().eval(), (pixels,), path, input_names=["pixels"], dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    times = []
    for _ in range(1 + YARDSTICK_RUNS):
        begin = time.process_time()
        session.run(None, {"pixels": pixels.numpy()})
        times.append(time.process_time() - begin)
    return milliseconds(times[1:])


def backbone() -> nn.Module:
    """Plain MobileNetV2 (Sandler et al., CVPR 2018) without padding of its own and normalisation, which are folded."""
    layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU6()]
    inputs = 32
    for expansion, outputs, blocks, stride in MOBILENET_STAGES:
        for block in range(blocks):
            layers.append(Inverted(inputs, outputs, 1 if block else stride, expansion))
            inputs = outputs
    return nn.Sequential(*layers, nn.Conv2d(inputs, 1280, 1), nn.ReLU6())


class Inverted(nn.Module):
    """Wider by the expansion, one filter for each channel, narrow again."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        wider = [nn.Conv2d(inputs, width, 1), nn.ReLU6()] if expansion > 1 else []
        depthwise = nn.Conv2d(width, width, 3, stride, 1, groups=width)
        self.layers = nn.Sequential(*wider, depthwise, nn.ReLU6(), nn.Conv2d(width, outputs, 1))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, images: Tensor) -> Tensor:
        """Of the same size, or half of it."""
        values: Tensor = self.layers(images)
        return images + values if self.adds else values


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
