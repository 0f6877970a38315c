"""Rules of functions of one element: activations and elementary functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from onnx import TensorProto

from .call import Call
from .rule import OperatorRule, rule, unbroadcast
from .tape import Value

FLOATS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE})
SELU = (1.67326319217681884765625, 1.05070102214813232421875)
"""Defaults of alpha and gamma of the operator Selu."""

Slope = Callable[[Call, Value, Value], Value]
"""f'(x) from the call, x and y."""


def _elementwise(*op_types: str) -> Callable[[Slope], OperatorRule]:
    """Make g · f'(x) the rule of some operators."""

    def made(slope: Slope) -> OperatorRule:
        def apply(call: Call) -> Mapping[int, Value]:
            call.only(0)
            return {0: call.g * slope(call, call.x(), call.y)}

        return OperatorRule(op_types, apply)

    return made


# Masks use the output where possible: the runtime then need not keep the input of a fused activation.


@rule("Relu")
def relu(call: Call) -> Mapping[int, Value]:
    """1 above 0, and 0 at 0, as in torch."""
    return {0: call.g.where(call.y > 0.0)}


@rule("Clip")
def clip(call: Call) -> Mapping[int, Value]:
    """1 inside and on the limits, as in torch.clamp; 0 where the value was clipped."""
    call.only(0)
    return {0: call.g.where(call.x().equals(call.y))}


@rule("Identity", "Dropout")
def identity(call: Call) -> Mapping[int, Value]:
    """The gradient passes unchanged; at inference dropout does nothing."""
    return {0: call.g}


@rule("Cast")
def cast(call: Call) -> Mapping[int, Value]:
    """Between floating-point types; through integers no gradient passes."""
    x = call.x()
    if x.kind not in FLOATS or call.attributes["to"] not in FLOATS:
        return {}
    return {0: call.tape.op("Cast", call.g, kind=x.kind, to=x.kind)}


@rule("PRelu")
def prelu(call: Call) -> Mapping[int, Value]:
    """The slope may be a weight or be computed from the image."""
    x, slope, negative = call.x(), call.x(1), call.x() < 0.0
    gradients = {0: _choose(negative, call.g * slope, call.g)}
    if call.active[1]:
        gradients[1] = unbroadcast(call, (call.g * x).where(negative), 1)
    return gradients


NEG = _elementwise("Neg")(lambda _c, x, _y: x.like(-1.0))
SIGMOID = _elementwise("Sigmoid")(lambda _c, _x, y: y * (1.0 - y))
TANH = _elementwise("Tanh")(lambda _c, _x, y: 1.0 - y * y)
EXP = _elementwise("Exp")(lambda _c, _x, y: y)
LOG = _elementwise("Log")(lambda _c, x, _y: 1.0 / x)
SQRT = _elementwise("Sqrt")(lambda _c, _x, y: 0.5 / y)
RECIPROCAL = _elementwise("Reciprocal")(lambda _c, _x, y: -(y * y))
ABS = _elementwise("Abs")(lambda _c, x, _y: x.call("Sign"))
SIN = _elementwise("Sin")(lambda _c, x, _y: x.call("Cos"))
COS = _elementwise("Cos")(lambda _c, x, _y: -x.call("Sin"))
ERF = _elementwise("Erf")(lambda _c, x, _y: (-(x * x)).call("Exp") * (2.0 / math.sqrt(math.pi)))
SOFTPLUS = _elementwise("Softplus")(lambda _c, x, _y: x.call("Sigmoid"))


@_elementwise("Softsign")
def softsign(_call: Call, x: Value, _y: Value) -> Value:
    """Derivative of x / (1 + |x|)."""
    root = x.call("Abs") + 1.0
    return 1.0 / (root * root)


@_elementwise("LeakyRelu")
def leaky_relu(call: Call, x: Value, _y: Value) -> Value:
    """The slope alpha below 0."""
    return _choose(x > 0.0, x.like(1.0), x.like(call.attributes.get("alpha", 0.01)))


@_elementwise("ThresholdedRelu")
def thresholded_relu(call: Call, x: Value, _y: Value) -> Value:
    """0 up to alpha."""
    return _choose(x > call.attributes.get("alpha", 1.0), x.like(1.0), x.like(0.0))


@_elementwise("Elu")
def elu(call: Call, x: Value, y: Value) -> Value:
    """alpha·(exp(x) - 1) below 0."""
    return _choose(x > 0.0, x.like(1.0), y + call.attributes.get("alpha", 1.0))


@_elementwise("Selu")
def selu(call: Call, x: Value, y: Value) -> Value:
    """gamma·Elu."""
    alpha, gamma = call.attributes.get("alpha", SELU[0]), call.attributes.get("gamma", SELU[1])
    return _choose(x > 0.0, x.like(gamma), y + alpha * gamma)


@_elementwise("Celu")
def celu(call: Call, x: Value, y: Value) -> Value:
    """alpha·(exp(x / alpha) - 1) below 0."""
    return _choose(x > 0.0, x.like(1.0), y / call.attributes.get("alpha", 1.0) + 1.0)


@_elementwise("HardSigmoid")
def hard_sigmoid(call: Call, x: Value, y: Value) -> Value:
    """The slope alpha where the value was not clipped."""
    return x.like(call.attributes.get("alpha", 0.2)).where((y > 0.0).both(y < 1.0))


@_elementwise("HardSwish")
def hard_swish(call: Call, x: Value, _y: Value) -> Value:
    """x·h with h = clip(x / 6 + 1/2, 0, 1): h, plus x / 6 where h was not clipped."""
    h = call.tape.op("HardSigmoid", x, alpha=1.0 / 6.0, beta=0.5)
    return h + (x * (1.0 / 6.0)).where((h > 0.0).both(h < 1.0))


@_elementwise("Swish")
def swish(call: Call, x: Value, _y: Value) -> Value:
    """x·σ(alpha·x)."""
    alpha = float(call.attributes.get("alpha", 1.0))
    s = (x * alpha).call("Sigmoid")
    return s + x * (s * (1.0 - s)) * alpha


@_elementwise("Mish")
def mish(_call: Call, x: Value, _y: Value) -> Value:
    """x·tanh(softplus(x))."""
    t = x.call("Softplus").call("Tanh")
    return t + x * (1.0 - t * t) * x.call("Sigmoid")


@_elementwise("Gelu")
def gelu(call: Call, x: Value, _y: Value) -> Value:
    """x·Φ(x), or its approximation by tanh (Hendrycks and Gimpel, 2016)."""
    if call.attributes.get("approximate", b"none") == b"tanh":
        scale = math.sqrt(2.0 / math.pi)
        t = ((x + x * x * x * 0.044715) * scale).call("Tanh")
        inner = (x * x * (3.0 * 0.044715) + 1.0) * scale
        return (t + 1.0) * 0.5 + x * (1.0 - t * t) * inner * 0.5
    phi = (x * x * -0.5).call("Exp") * (1.0 / math.sqrt(2.0 * math.pi))
    return ((x * math.sqrt(0.5)).call("Erf") + 1.0) * 0.5 + x * phi


def _choose(condition: Value, yes: Value, no: Value) -> Value:
    return condition.tape.op("Where", condition, yes, no, kind=yes.kind)
