"""Adds class maps to the graph of a plain classifier: all classes at once, without a backward pass.

If the logits are a linear layer of the mean of a feature map, the gradient of logit c at every position is w_c / HW,
so NormGrad by scaling is ‖x_u ∘ w_c / HW‖ = sqrt(Σ_k x_uk² · (w_ck / HW)²): one 1×1 convolution of the squares.
(With conv1x1, such a layer would give all classes the same map.)
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from .errors import UnsupportedOperatorError
from .tape import Tape, Value

POOLS = frozenset({"GlobalAveragePool", "ReduceMean"})
SHAPES = frozenset({"Flatten", "Reshape", "Squeeze", "Identity", "Dropout"})


def add_class_maps(model: onnx.ModelProto, logits: str = "logits", name: str = "maps") -> onnx.ModelProto:
    """The model with the further output ``name``, shape (images, classes, rows, columns), values of 0 and more.

    UnsupportedOperatorError when the logits are not a linear layer of a spatial mean.
    """
    tape = Tape(model)
    producers = {output: node for node in tape.nodes for output in node.output}
    node = _linear(producers, logits)
    weight = _weight(tape, node)
    tensor = node.input[0]
    while (before := producers.get(tensor)) is not None and before.op_type in SHAPES:
        tensor = before.input[0]
    if before is None or before.op_type not in POOLS or len(tape.dims(before.input[0]) or ()) != 4:
        raise UnsupportedOperatorError("No class maps: the linear layer is not fed by the mean of a feature map.")
    tape.add_output(name, _maps(tape.value(before.input[0]), weight), ("images", weight.shape[0], None, None))
    return tape.finish()


def _linear(producers: dict[str, onnx.NodeProto], logits: str) -> onnx.NodeProto:
    """The matrix product that yields the logits, possibly before an added bias."""
    node = producers.get(logits)
    while node is not None and node.op_type in {"Add", "Identity"}:
        node = next((producers[i] for i in node.input if i in producers), None)
    if node is None or node.op_type not in {"Gemm", "MatMul"}:
        raise UnsupportedOperatorError("No class maps: the logits are not made by a linear layer.")
    return node


def _weight(tape: Tape, node: onnx.NodeProto) -> NDArray[np.float32]:
    """Shape (classes, features)."""
    weight = tape.constant_of(node.input[1])
    if weight is None or weight.ndim != 2:
        raise UnsupportedOperatorError("No class maps: the linear layer's weight is not a constant matrix.")
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    by_class = weight if attributes.get("transB", 0) else weight.T
    return np.asarray(by_class * attributes.get("alpha", 1.0), np.float32)


def _maps(x: Value, weight: NDArray[np.float32]) -> Value:
    tape = x.tape
    squares = tape.constant(np.ascontiguousarray(np.square(weight)[:, :, None, None]))
    count = tape.op("Cast", tape.op("ReduceProd", x.sizes(2), keepdims=0), kind=x.kind, to=TensorProto.FLOAT)
    return tape.op("Conv", x * x, squares, kernel_shape=[1, 1]).call("Sqrt") / count
