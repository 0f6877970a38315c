"""Adds gradients to a network: reverse-mode differentiation from one ONNX graph to another, with no torch.

This is standard reverse-mode automatic differentiation (Baydin et al., JMLR 2018): the walk goes from the logits
back to the taps, and for each node adds nodes that multiply a gradient by its Jacobian (:mod:`~.rules`).
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import helper

from .call import Call
from .errors import GradientError, UnsupportedOperatorError
from .rule import CONSTANT
from .rules import RULES
from .tape import Tape, Value

SEED = "seed"
"""The added input, shape (rows, classes): gradients are those of the sum over classes of seed · logits.

There are as many rows as images, or one row for all images, or one image with one row per backward pass.
"""


def add_gradients(model: onnx.ModelProto, taps: Sequence[str], logits: str) -> onnx.ModelProto:
    """The model with the further input ``seed`` and, for each tap, its activation and its gradient as outputs.

    ``taps`` are tensors that ``logits``, shape (images, classes), is computed from. The activation comes under the
    tap's own name, the gradient, shape (rows, …), as ``gradient_name(tap)``. The model given is not changed.

    Raises
    ------
    UnsupportedOperatorError
        Between taps and logits there is an operator without a rule, or one that mixes images.
    GradientError
        The graph has no such tensor, or the logits do not depend on a tap.
    """
    tape = Tape(model)
    gradients = differentiate(tape, taps, logits)
    for tap, gradient in zip(taps, gradients, strict=True):
        dims = tape.dims(tap)
        tape.add_output(tap, tape.value(tap), dims)
        tape.add_output(gradient_name(tap), gradient, None if dims is None else ("rows", *dims[1:]))
    return tape.finish()


def gradient_name(tap: str) -> str:
    """Name of the output that holds a tap's gradient."""
    return f"gradient/{tap}"


def differentiate(tape: Tape, taps: Sequence[str], logits: str) -> list[Value]:
    """Add the input ``seed`` and the nodes of the gradients; one gradient per tap."""
    _check(tape, taps, logits)
    dependents = tape.dependents(taps, except_through=CONSTANT)
    gradients: dict[str, list[Value]] = {logits: [_seed(tape, taps[0], logits)]}
    for node in reversed(tape.nodes):
        totals = tuple(_total(gradients.get(name, ())) for name in node.output)
        active = tuple(name in dependents for name in node.input)
        if any(active) and any(total is not None for total in totals):
            for index, gradient in _answer(tape, node, totals, active).items():
                if active[index]:
                    gradients.setdefault(node.input[index], []).append(gradient)
    sums = [_total(gradients.get(tap, ())) for tap in taps]
    if None in sums:
        raise GradientError(f"The output {logits!r} does not depend on {taps[sums.index(None)]!r}.")
    return [gradient for gradient in sums if gradient is not None]


def _answer(
    tape: Tape, node: onnx.NodeProto, totals: tuple[Value | None, ...], active: tuple[bool, ...]
) -> dict[int, Value]:
    if node.domain in {"", "ai.onnx"} and node.op_type in RULES:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        return dict(RULES[node.op_type](Call(tape, node, totals, active, attributes)))
    operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    raise UnsupportedOperatorError(f"No gradient through {operator}: there is no rule for this operator.")


def _seed(tape: Tape, tap: str, logits: str) -> Value:
    """The seed with as many rows as the gradients have: those of the images, or its own for one image."""
    dims = tape.dims(logits)
    seed = tape.add_input(SEED, tape.value(logits).kind, ("rows", dims[1] if dims else None))
    shape = tape.op("Concat", tape.value(tap).sizes(0, 1), tape.integers([1]), axis=0)
    return tape.op("Expand", seed, shape)


def _total(parts: Sequence[Value]) -> Value | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return parts[0].tape.op("Add" if len(parts) == 2 else "Sum", *parts)


def _check(tape: Tape, taps: Sequence[str], logits: str) -> None:
    if not taps:
        raise GradientError("No layer is named to take gradients at.")
    for name in (*taps, logits):
        if not tape.knows(name):
            raise GradientError(f"The graph has no tensor {name!r}.")
    if tape.knows(SEED):
        raise GradientError(f"The graph has a tensor {SEED!r} already, so it cannot get an input of that name.")
    dims = tape.dims(logits)
    if dims is not None and len(dims) != 2:
        raise GradientError(f"{logits!r} has {len(dims)} axes; (images, classes) is needed.")
