"""Rules of reductions along axes, and of softmax."""

from __future__ import annotations

from collections.abc import Mapping

from .call import FIRST_AXIS, Call
from .rule import rule
from .tape import Value


@rule("ReduceSum")
def reduce_sum(call: Call) -> Mapping[int, Value]:
    """Every element receives the same gradient."""
    axes = _axes(call)
    return {0: _kept(call, call.g, axes).expanded_like(call.x()) if axes else call.g}


@rule("ReduceMean")
def reduce_mean(call: Call) -> Mapping[int, Value]:
    """Every element receives an equal part."""
    axes, x = _axes(call), call.x()
    if not axes:
        return {0: call.g}
    along = call.tape.op("Gather", x.sizes(), call.tape.integers(axes), axis=0)
    count = call.tape.op("ReduceProd", along, keepdims=0)
    share = _kept(call, call.g, axes) / call.tape.op("Cast", count, kind=x.kind, to=x.kind)
    return {0: share.expanded_like(x)}


@rule("ReduceMax", "ReduceMin")
def reduce_extreme(call: Call) -> Mapping[int, Value]:
    """The gradient goes to the extreme element; equal elements share it, as in torch.amax."""
    axes, x = _axes(call), call.x()
    if not axes:
        return {0: call.g}
    chosen = x.equals(_kept(call, call.y, axes))
    count = call.tape.op("Cast", chosen, kind=x.kind, to=x.kind).reduce("ReduceSum", axes)
    return {0: (_kept(call, call.g, axes) / count).where(chosen)}


@rule("ReduceL2")
def reduce_l2(call: Call) -> Mapping[int, Value]:
    """Gradient of the norm: x / ‖x‖, and 0 where the norm is 0, as in torch.linalg.vector_norm."""
    axes, x = _axes(call), call.x()
    if not axes:
        return {0: call.g * x.call("Sign")}
    norm = _kept(call, call.y, axes)
    positive = norm > 0.0
    safe = call.tape.op("Where", positive, norm, x.like(1.0), kind=x.kind)
    return {0: (_kept(call, call.g, axes) / safe).where(positive) * x}


@rule("ReduceL1")
def reduce_l1(call: Call) -> Mapping[int, Value]:
    """The sign of x."""
    return {0: _kept(call, call.g, _axes(call)) * call.x().call("Sign")}


@rule("ReduceSumSquare")
def reduce_sum_square(call: Call) -> Mapping[int, Value]:
    """2·x."""
    return {0: _kept(call, call.g, _axes(call)) * (call.x() * 2.0)}


@rule("ReduceLogSumExp")
def reduce_log_sum_exp(call: Call) -> Mapping[int, Value]:
    """The softmax along the axes."""
    axes = _axes(call)
    return {0: _kept(call, call.g, axes) * (call.x() - _kept(call, call.y, axes)).call("Exp")}


@rule("Softmax")
def softmax(call: Call) -> Mapping[int, Value]:
    """y·(g - Σ g·y)."""
    weighted = call.g * call.y
    return {0: weighted - call.y * weighted.reduce("ReduceSum", [_softmax_axis(call)])}


@rule("LogSoftmax")
def log_softmax(call: Call) -> Mapping[int, Value]:
    """Gradient of the logarithm: g - exp(y)·Σ g."""
    return {0: call.g - call.y.call("Exp") * call.g.reduce("ReduceSum", [_softmax_axis(call)])}


def _softmax_axis(call: Call) -> int:
    return call.axis(int(call.attributes.get("axis", -1)), call.rank())


def _axes(call: Call) -> list[int]:
    """The reduced axes, counted from the front; empty if nothing is reduced."""
    axes = [int(a) for a in call.constant(1).ravel()] if call.has(1) else []
    if axes:
        return sorted(call.axis(a, call.rank()) for a in axes)
    if call.attributes.get("noop_with_empty_axes", 0):
        return []
    raise call.unsupported(FIRST_AXIS)


def _kept(call: Call, value: Value, axes: list[int]) -> Value:
    """A value of the output's shape with the reduced axes at size 1."""
    if call.attributes.get("keepdims", 1) or not axes:
        return value
    return call.tape.op("Unsqueeze", value, call.tape.integers(axes))
