"""The graph to be differentiated: what is known about its tensors, and the nodes that compute gradients.

Rows. The first axis of every tensor between taps and logits counts the images. Gradients may have more rows than
activations: one image with several seeds needs one forward and several backward passes, and every activation is
broadcast against the gradients. So no rule may change the first axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, inliner, numpy_helper, shape_inference, version_converter
from onnx.reference import ReferenceEvaluator

from .errors import UnsupportedOperatorError

OPSET = 18
"""The oldest operator set that the rules know: axes are inputs, ScatterElements adds. Older graphs are converted."""
PREFIX = "vjp/"

UNINFERRED = frozenset({"GroupNormalization"})
"""Operators that keep the shape, but for which onnx infers none."""

Dim = int | str | None
"""Size of an axis: a number, the name of a free size, or None if unknown."""


class Tape:
    """The graph of ``model`` (a converted copy) and the nodes added to it."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = _prepared(model)
        self._graph = self.model.graph
        self._constants: dict[str, NDArray[Any] | None] = {
            i.name: numpy_helper.to_array(i) for i in self._graph.initializer
        }
        self._producers = {name: node for node in self._graph.node for name in node.output if name}
        self._tensors: dict[str, Any] = {
            v.name: v.type.tensor_type for v in (*self._graph.value_info, *self._graph.input, *self._graph.output)
        }
        self._names = {*self._constants, *self._producers, *(i.name for i in self._graph.input)}
        self._pooled: dict[tuple[str, bytes, tuple[int, ...]], Value] = {}
        self._made: list[onnx.NodeProto] = []

    # ── what is known ──

    @property
    def nodes(self) -> Sequence[onnx.NodeProto]:
        """The nodes of the graph itself, in the order in which they are computed."""
        return list(self._graph.node)

    def knows(self, name: str) -> bool:
        """Whether the graph has a tensor of that name."""
        return name in self._names

    def value(self, name: str) -> Value:
        """The tensor of that name."""
        tensor = self._tensors.get(name)
        if tensor is None and (array := self.constant_of(name)) is not None:
            return Value(self, name, helper.np_dtype_to_tensor_dtype(array.dtype))
        return Value(self, name, tensor.elem_type if tensor is not None and tensor.elem_type else TensorProto.FLOAT)

    def dims(self, name: str) -> tuple[Dim, ...] | None:
        """Shape of a tensor of the graph; None if not even the number of axes is known."""
        if (array := self.constant_of(name)) is not None:
            return array.shape
        tensor = self._tensors.get(name)
        if tensor is None or not tensor.HasField("shape"):
            producer = self._producers.get(name)
            return self.dims(producer.input[0]) if producer is not None and producer.op_type in UNINFERRED else None
        return tuple(
            int(d.dim_value) if d.HasField("dim_value") else (str(d.dim_param) or None) for d in tensor.shape.dim
        )

    def constant_of(self, name: str) -> NDArray[Any] | None:
        """The value of a tensor that does not depend on the inputs: a weight, or a result computed from weights."""
        if name not in self._constants:
            self._constants[name] = self._fold(name)
        return self._constants[name]

    def dependents(self, names: Iterable[str], except_through: frozenset[str]) -> set[str]:
        """The given tensors and all that depend on them; operators without a gradient end the dependence."""
        reached = set(names)
        for node in self._graph.node:
            if node.op_type not in except_through and any(name in reached for name in node.input):
                reached.update(name for name in node.output if name)
        return reached

    # ── what is added ──

    def op(self, op_type: str, *inputs: Value | None, kind: int | None = None, **attributes: Any) -> Value:
        """Add a node with one output; its element type is that of the first input unless ``kind`` says another."""
        return self.ops(op_type, inputs, 1, kind=kind, **attributes)[0]

    def ops(
        self, op_type: str, inputs: Sequence[Value | None], count: int, kind: int | None = None, **attributes: Any
    ) -> list[Value]:
        """Add a node with ``count`` outputs."""
        names = [self._fresh(op_type) for _ in range(count)]
        input_names = [value.name if value is not None else "" for value in inputs]
        self._made.append(helper.make_node(op_type, input_names, names, name=names[0], **attributes))
        of = kind if kind is not None else next(v.kind for v in inputs if v is not None)
        return [Value(self, name, of) for name in names]

    def constant(self, array: NDArray[Any]) -> Value:
        """A constant; equal constants are stored once."""
        key = (array.dtype.str, array.tobytes(), array.shape)
        if key not in self._pooled:
            name = self._fresh("constant")
            self._graph.initializer.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
            self._constants[name] = array
            self._pooled[key] = Value(self, name, helper.np_dtype_to_tensor_dtype(array.dtype))
        return self._pooled[key]

    def integers(self, values: Iterable[int]) -> Value:
        """A constant vector of integers: axes, pads, a shape."""
        return self.constant(np.array(list(values), np.int64))

    def second_output(self, node: onnx.NodeProto) -> Value:
        """The second output (int64 indices) of a node of the graph; added at its first use."""
        if len(node.output) < 2:
            node.output.append("")
        if not node.output[1]:
            node.output[1] = self._fresh(node.op_type)
        return Value(self, node.output[1], TensorProto.INT64)

    def add_input(self, name: str, kind: int, shape: Sequence[Dim]) -> Value:
        """A further input of the graph."""
        self._graph.input.append(helper.make_tensor_value_info(name, kind, list(shape)))
        self._names.add(name)
        return Value(self, name, kind)

    def add_output(self, name: str, value: Value, shape: Sequence[Dim] | None = None) -> None:
        """A further output of the graph, under a name of its own."""
        if name != value.name:
            self._made.append(helper.make_node("Identity", [value.name], [name], name=self._fresh("output")))
            self._names.add(name)
        if all(name != output.name for output in self._graph.output):
            dims = None if shape is None else list(shape)
            self._graph.output.append(helper.make_tensor_value_info(name, value.kind, dims))

    def finish(self) -> onnx.ModelProto:
        """The model with everything that was added."""
        self._graph.node.extend(self._made)
        self._made = []
        return self.model

    def _fresh(self, stem: str) -> str:
        name = f"{PREFIX}{stem}_{len(self._names)}"
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name

    def _fold(self, name: str) -> NDArray[Any] | None:
        node = self._producers.get(name)
        if node is None or (not node.input and node.op_type != "Constant"):
            return None
        inputs = {i: self.constant_of(i) for i in node.input if i}
        if any(array is None for array in inputs.values()):
            return None
        results = cast("list[Any]", ReferenceEvaluator(node, opsets=_opsets(self.model)).run(None, inputs))
        return np.asarray(results[list(node.output).index(name)])


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor by name; arithmetic on it adds nodes to the tape."""

    tape: Tape
    name: str
    kind: int

    def __add__(self, other: Value | float) -> Value:
        return self.tape.op("Add", self, self.like(other))

    def __radd__(self, other: float) -> Value:
        return self + other

    def __sub__(self, other: Value | float) -> Value:
        return self.tape.op("Sub", self, self.like(other))

    def __rsub__(self, other: float) -> Value:
        return self.tape.op("Sub", self.like(other), self)

    def __mul__(self, other: Value | float) -> Value:
        return self.tape.op("Mul", self, self.like(other))

    def __rmul__(self, other: float) -> Value:
        return self * other

    def __truediv__(self, other: Value | float) -> Value:
        return self.tape.op("Div", self, self.like(other))

    def __rtruediv__(self, other: float) -> Value:
        return self.tape.op("Div", self.like(other), self)

    def __neg__(self) -> Value:
        return self.tape.op("Neg", self)

    def __gt__(self, other: Value | float) -> Value:
        return self.tape.op("Greater", self, self.like(other), kind=TensorProto.BOOL)

    def __lt__(self, other: Value | float) -> Value:
        return self.tape.op("Less", self, self.like(other), kind=TensorProto.BOOL)

    def equals(self, other: Value | float) -> Value:
        """Whether the elements are equal."""
        return self.tape.op("Equal", self, self.like(other), kind=TensorProto.BOOL)

    def both(self, other: Value) -> Value:
        """Whether both conditions hold."""
        return self.tape.op("And", self, other)

    def where(self, condition: Value) -> Value:
        """The values where the condition holds, 0 elsewhere."""
        return self * self.tape.op("Cast", condition, kind=self.kind, to=self.kind)

    def call(self, op_type: str) -> Value:
        """A function of one element, as "Exp"."""
        return self.tape.op(op_type, self)

    def reduce(self, how: str, axes: Iterable[int]) -> Value:
        """ReduceSum, ReduceMean … over some axes, which stay with size 1."""
        return self.tape.op(how, self, self.tape.integers(axes), keepdims=1)

    def reshape(self, shape: Sequence[int]) -> Value:
        """With a shape as in ONNX: 0 keeps an axis, -1 is the remaining size."""
        return self.tape.op("Reshape", self, self.tape.integers(shape))

    def transpose(self, order: Sequence[int]) -> Value:
        """With the axes in another order."""
        return self.tape.op("Transpose", self, perm=list(order))

    def sizes(self, first: int = 0, last: int | None = None) -> Value:
        """The shape, or part of it, as a tensor."""
        end = {} if last is None else {"end": last}
        return self.tape.op("Shape", self, kind=TensorProto.INT64, start=first, **end)

    def reshaped_like(self, x: Value) -> Value:
        """The tensor with each row reshaped to the shape of a row of ``x``."""
        dims = self.tape.dims(x.name)
        if dims is not None and all(isinstance(d, int) and d > 0 for d in dims[1:]):
            return self.reshape([-1, *(int(d) for d in dims[1:] if d is not None)])
        shape = self.tape.op("Concat", self.tape.integers([-1]), x.sizes(1), axis=0)
        return self.tape.op("Reshape", self, shape)

    def expanded_like(self, x: Value) -> Value:
        """The tensor with each row repeated along axes of size 1 to the shape of a row of ``x``."""
        row = self.tape.op("Concat", self.tape.integers([1]), x.sizes(1), axis=0)
        return self.tape.op("Expand", self, row)

    def like(self, other: Value | float) -> Value:
        """A number as a constant of this tensor's element type; a tensor is returned unchanged."""
        if isinstance(other, Value):
            return other
        return self.tape.constant(np.array(other, helper.tensor_dtype_to_np_dtype(self.kind)))


def _prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without local functions, with a sufficiently new operator set and inferred shapes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if copy.functions:
        copy = inliner.inline_local_functions(copy)
    version = _opsets(copy).get("", OPSET)
    if version < OPSET:
        try:
            copy = version_converter.convert_version(copy, OPSET)
        except Exception as error:  # a C++ exception without a Python class
            raise UnsupportedOperatorError(
                f"No gradient through a graph of operator set {version}: it cannot be brought to set {OPSET} ({error})."
            ) from error
    return shape_inference.infer_shapes(copy, data_prop=True)


def _opsets(model: onnx.ModelProto) -> dict[str, int]:
    return {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import}
