"""Exports a torch module as an ONNX file and checks it against torch; used for the graph of every package."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from miqa_training.any_images import for_any_number

OPSET = 18
TOLERANCE = 2e-4
"""Largest allowed difference of an output between torch and ONNX Runtime, both in single precision."""

Inputs = tuple[Tensor, ...]


def write_graph(
    net: nn.Module,
    path: Path,
    examples: Sequence[Inputs],
    input_names: Sequence[str],
    output_names: Sequence[str],
    *,
    dynamic_shapes: Any = None,
    tolerance: float = TOLERANCE,
    parts: Collection[str] = (),
    is_for_one: bool = False,
) -> float:
    """Write ``net``, which must be in evaluation mode, and compare it with torch on every example; the first is traced.

    The examples show one image each; the graph takes any number, unless it ``is_for_one``. ``parts`` are those inputs
    that have several rows for an image. ``dynamic_shapes`` is what :func:`torch.onnx.export` takes. Returns the largest
    difference in any output.

    Raises
    ------
    ValueError
        Graph and torch differ by more than ``tolerance``, scaled by the largest value if that exceeds 1, or images in
        one run influence each other.
    """
    with warnings.catch_warnings():
        # The exporter of torch 2.13 calls functions that torch 2.13 itself deprecates.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net, examples[0], dynamo=True, opset_version=OPSET, input_names=list(input_names),
            output_names=list(output_names), dynamic_shapes=dynamic_shapes, verbose=False,
        )  # fmt: skip
    if program is None:
        msg = "torch.onnx.export gave no program"
        raise ValueError(msg)
    model: onnx.ModelProto = program.model_proto
    model.producer_name, model.doc_string = "miqa-node", ""
    _forget_where_it_was_made(model)
    if not is_for_one:
        one = {name: value.numpy() for name, value in zip(input_names, examples[0], strict=True)}
        model = for_any_number(model, one, parts)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    difference: float
    difference, largest = compare(net, path, examples, input_names, output_names)
    if difference > tolerance * max(1.0, largest):
        msg = f"the exported graph differs from torch by {difference:.2g}, {tolerance:g} is allowed"
        raise ValueError(msg)
    return difference


@torch.no_grad()
def compare(
    net: nn.Module, path: Path, examples: Sequence[Inputs], input_names: Sequence[str], output_names: Sequence[str]
) -> tuple[float, float]:
    """Largest difference of any output between torch and ONNX Runtime, and the largest value."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    difference = largest = 0.0
    for example in examples:
        expected = net(*example)
        expected = (expected,) if isinstance(expected, Tensor) else expected
        fed = {name: value.numpy() for name, value in zip(input_names, example, strict=True)}
        for ours, theirs in zip(expected, session.run(list(output_names), fed), strict=True):
            difference = max(difference, float(np.abs(ours.numpy() - np.asarray(theirs)).max()))
            largest = max(largest, float(ours.abs().max()))
    return difference, largest


def _forget_where_it_was_made(model: onnx.ModelProto) -> None:
    """Remove the exporter's metadata of every node: stack traces with paths of this machine."""
    del model.metadata_props[:]
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
