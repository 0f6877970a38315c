"""Rules of differentiation, and the axes along which broadcasting must be undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .call import FIRST_AXIS, Call
from .tape import Value

Rule = Callable[[Call], Mapping[int, Value]]


@dataclass(frozen=True, slots=True)
class OperatorRule:
    """How gradients pass through some operators."""

    op_types: tuple[str, ...]
    apply: Rule

    def __call__(self, call: Call) -> Mapping[int, Value]:
        """The gradients of the inputs that have one, by index."""
        return self.apply(call)


CONSTANT = frozenset(
    {"ArgMax", "ArgMin", "Ceil", "ConstantOfShape", "Equal", "EyeLike", "Floor", "Greater", "GreaterOrEqual", "IsInf",
     "IsNaN", "Less", "LessOrEqual", "NonZero", "Not", "Range", "Round", "Shape", "Sign", "Size"}
)  # fmt: skip
"""Operators that are constant almost everywhere: no gradient passes."""


def rule(*op_types: str) -> Callable[[Rule], OperatorRule]:
    """Make a function the rule of some operators; :mod:`~.rules` collects them."""
    return lambda function: OperatorRule(op_types, function)


def unbroadcast(call: Call, gradient: Value, index: int) -> Value:
    """The gradient of an input that was broadcast to the output: summed along the broadcast axes."""
    input_dims, made = call.dims(index), call.output_dims()
    if len(input_dims) != len(made) or (input_dims[0] == 1 and made[0] != 1):
        raise call.unsupported(FIRST_AXIS)
    if input_dims[1:] == made[1:] and None not in input_dims[1:]:
        return gradient
    if all(isinstance(d, int) for d in input_dims[1:]):
        axes = [n for n, (a, b) in enumerate(zip(input_dims, made, strict=True)) if n and a == 1 and b != 1]
        return gradient.reduce("ReduceSum", axes) if axes else gradient
    tape = call.tape
    # Free sizes: the broadcast axes are known only when the graph runs.
    ones = call.x(index).sizes(1).equals(tape.constant(np.array(1, np.int64)))
    where = tape.op("NonZero", ones, kind=gradient.sizes().kind)
    broadcast = tape.op("Add", tape.op("Squeeze", where, tape.integers([0])), tape.integers([1]))
    return tape.op("ReduceSum", gradient, broadcast, keepdims=1, noop_with_empty_axes=1)
