"""Small graphs whose added gradients are compared with differences of their own outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from miqa_node.libraries.onnx_vjp import SEED, add_gradients, gradient_name

STEP = 4e-3
"""Of the central differences; kinks of the tested functions lie at least 0.03 from every input value."""
TOLERANCE = 3e-3

Arrays = dict[str, np.ndarray]
Graph = Callable[..., onnx.ModelProto]
Run = Callable[[onnx.ModelProto, Arrays], Arrays]


def build(
    nodes: Sequence[onnx.NodeProto], shape: Sequence[int | str], constants: Arrays | None = None, opset: int = 18
) -> onnx.ModelProto:
    """A graph from "x" to "y" by the nodes, and to "logits", which are y flattened; the first axis is free."""
    made = helper.make_graph(
        [*nodes, helper.make_node("Flatten", ["y"], ["logits"], axis=1)],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["images", *shape[1:]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["images", None])],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def run_model(model: onnx.ModelProto, inputs: Arrays) -> Arrays:
    onnx.checker.check_model(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


class Differentiated:
    """A graph with gradients, loaded once."""

    def __init__(self, model: onnx.ModelProto, tap: str = "x") -> None:
        full = add_gradients(model, [tap], "logits")
        onnx.checker.check_model(full)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(full.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.outputs = ["logits", gradient_name(tap)]

    def __call__(self, x: np.ndarray, seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, gradient = self.session.run(self.outputs, {"x": x, SEED: seed})
        return logits, gradient

    def logits(self, x: np.ndarray) -> np.ndarray:
        size = self.session.get_outputs()[0].shape
        assert size is not None
        return self(x, np.zeros((1, self.classes), np.float32))[0]

    classes: int = 0


def check_gradient(model: onnx.ModelProto, x: np.ndarray, rng: np.random.Generator) -> None:
    """Central differences along random directions, and independence of the rows."""
    plain = run_model(model, {"x": x})["logits"]
    graph = Differentiated(model)
    graph.classes = plain.shape[1]
    seed = rng.standard_normal(plain.shape).astype(np.float32)
    logits, gradient = graph(x, seed)
    np.testing.assert_allclose(logits, plain, rtol=1e-5, atol=1e-5)
    assert gradient.shape == x.shape
    for _ in range(3):
        direction = np.clip(rng.standard_normal(x.shape), -2.5, 2.5)
        above, below = (graph.logits((x + sign * STEP * direction).astype(np.float32)) for sign in (1, -1))
        difference = float((seed.astype(np.float64) * (above.astype(np.float64) - below)).sum() / (2 * STEP))
        product = float((gradient.astype(np.float64) * direction).sum())
        scale = max(float(np.linalg.norm(gradient)), float(np.linalg.norm(seed)) * 1e-2)
        assert abs(difference - product) <= TOLERANCE * scale, (difference, product, scale)
    _rows_are_independent(graph, x, seed, gradient)


def _rows_are_independent(graph: Differentiated, x: np.ndarray, seed: np.ndarray, gradient: np.ndarray) -> None:
    """Several seeds for one image, and one seed for several images, give what each pair gives alone."""
    atol = 1e-5 * float(np.abs(gradient).max(initial=1e-3))
    seeds = np.concatenate([seed[:1], -2.0 * seed[-1:], seed[:1] * 0.5]).astype(np.float32)
    for row, alone in zip(graph(x[:1], seeds)[1], seeds, strict=True):
        np.testing.assert_allclose(row, graph(x[:1], alone[None])[1][0], rtol=1e-4, atol=3 * atol)
    shared = graph(x, seed[:1])[1]
    np.testing.assert_allclose(shared[-1], graph(x[-1:], seed[:1])[1][0], rtol=1e-4, atol=3 * atol)


@pytest.fixture
def graph() -> Graph:
    return build


@pytest.fixture
def run() -> Run:
    return run_model


@pytest.fixture
def check() -> Callable[..., Any]:
    return check_gradient
