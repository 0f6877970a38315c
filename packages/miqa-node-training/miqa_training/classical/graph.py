"""Writes an additive model as an ONNX graph of 21 nodes: logits, and the contribution of each measurement."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from miqa_node.stages.assess.contracts.base import CONTRIBUTIONS
from miqa_node.stages.assess.contracts.measurements import INPUT
from miqa_node.stages.assess.graph import IMAGES
from miqa_training.classical.basis import KNOTS, LIMIT
from miqa_training.classical.models import ClassicalModel, curves

OPSET, IR_VERSION = 18, 10


def sum_graph(model: ClassicalModel, usual: NDArray[np.float32]) -> onnx.ModelProto:
    """The graph of a model whose heads are sums over measurements, linear or piecewise linear.

    Input ``measurements`` (N, F) without missing values. Outputs ``logits`` (N, C), ``severity`` (N, C) in [0, 1] and
    ``contributions`` (N, C, F): each measurement's part of the logit, minus its part for ``usual`` (F,), the scaled
    measurements of a typical good image. TypeError if a head is not such a sum.
    """
    heads = [curves(head, bends=model.bends) for head in model.heads]
    grades = [curves(head, bends=model.bends) for head in model.severity]
    bent_usual = np.maximum(usual[:, None] - np.array(KNOTS, np.float32), 0.0)
    weights = np.stack([head for head, _ in heads])
    offset = (weights * bent_usual).sum(axis=2)
    bias = np.array([bias for _, bias in heads]) + offset.sum(axis=1)
    features, classes = len(usual), len(heads)
    constants = {
        "unit": model.scale.unit,
        "mean": model.scale.mean,
        "deviation": model.scale.deviation,
        "one": np.float32(1.0),
        "low": np.float32(-LIMIT),
        "high": np.float32(LIMIT),
        "knots": np.array(KNOTS, np.float32).reshape(1, 1, -1),
        "weights": weights[None],
        "usual_parts": offset[None],
        "bias": bias[None],
        "severity_weights": np.stack([grade.ravel() for grade, _ in grades], axis=1),
        "severity_bias": np.array([bias for _, bias in grades]),
        "zero": np.float32(0.0),
    }
    shapes = {
        "last": np.array([2], np.int64),
        "innermost": np.array([3], np.int64),
        "second": np.array([1], np.int64),
        "row": np.array([0, -1], np.int64),
    }
    nodes = [
        _node("Sign", [INPUT], "sign"),
        _node("Abs", [INPUT], "size"),
        _node("Div", ["size", "unit"], "in_units"),
        _node("Add", ["in_units", "one"], "shifted"),
        _node("Log", ["shifted"], "log"),
        _node("Mul", ["log", "sign"], "signed"),
        _node("Sub", ["signed", "mean"], "centred"),
        _node("Div", ["centred", "deviation"], "scaled"),
        _node("Clip", ["scaled", "low", "high"], "z"),
        _node("Unsqueeze", ["z", "last"], "column"),
        _node("Sub", ["column", "knots"], "beyond"),
        _node("Relu", ["beyond"], "bent"),
        _node("Unsqueeze", ["bent", "second"], "of_all"),
        _node("Mul", ["of_all", "weights"], "products"),
        _node("ReduceSum", ["products", "innermost"], "parts", keepdims=0),
        _node("Sub", ["parts", "usual_parts"], CONTRIBUTIONS),
        _node("ReduceSum", [CONTRIBUTIONS, "last"], "total", keepdims=0),
        _node("Add", ["total", "bias"], "logits"),
        _node("Reshape", ["bent", "row"], "bent_row"),
        _node("Gemm", ["bent_row", "severity_weights", "severity_bias"], "grade"),
        _node("Clip", ["grade", "zero", "one"], "severity"),
    ]
    outputs: dict[str, list[int | str]] = {
        "logits": [IMAGES, classes],
        "severity": [IMAGES, classes],
        CONTRIBUTIONS: [IMAGES, classes, features],
    }
    made = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [IMAGES, features])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()]
        + [numpy_helper.from_array(v, k) for k, v in shapes.items()],
    )
    graph = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="miqa-node"
    )
    onnx.checker.check_model(graph)
    return graph


def _node(operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], **attributes)
