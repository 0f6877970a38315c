"""Rules of arithmetic between tensors, with broadcasting undone."""

from __future__ import annotations

from collections.abc import Mapping

from .call import Call
from .rule import rule, unbroadcast
from .tape import Value


def _each(call: Call, parts: Mapping[int, Value]) -> dict[int, Value]:
    return {index: unbroadcast(call, part, index) for index, part in parts.items()}


@rule("Add", "Sum")
def add(call: Call) -> Mapping[int, Value]:
    """Every term receives the gradient."""
    return _each(call, {index: call.g for index, active in enumerate(call.active) if active})


@rule("Sub")
def subtract(call: Call) -> Mapping[int, Value]:
    """The second term receives the negative gradient."""
    return _each(call, {i: -call.g if i else call.g for i in (0, 1) if call.active[i]})


@rule("Mul")
def multiply(call: Call) -> Mapping[int, Value]:
    """Each factor receives the gradient times the other factor."""
    return _each(call, {i: call.g * call.x(1 - i) for i in (0, 1) if call.active[i]})


@rule("Div")
def divide(call: Call) -> Mapping[int, Value]:
    """1 / b and -y / b."""
    part = call.g / call.x(1)
    parts = {0: part}
    if call.active[1]:
        parts[1] = -(part * call.y)
    return _each(call, {i: p for i, p in parts.items() if call.active[i]})


@rule("Pow")
def power(call: Call) -> Mapping[int, Value]:
    """Gradient of the base; an exponent that depends on the image is refused."""
    call.only(0)
    x, exponent = call.x(), call.constant(1)
    if exponent.size == 1:
        number = float(exponent.reshape(())[()])
        slope = x if number == 2.0 else call.tape.op("Pow", x, x.like(number - 1.0))
        return _each(call, {0: call.g * slope * number})
    p = call.tape.op("Cast", call.x(1), kind=x.kind, to=x.kind)
    return _each(call, {0: call.g * call.tape.op("Pow", x, p - 1.0) * p})


@rule("Max", "Min")
def extreme(call: Call) -> Mapping[int, Value]:
    """The gradient goes to the extreme input; equal inputs share it, as in torch.maximum."""
    chosen = {i: call.x(i).equals(call.y) for i in range(len(call.node.input))}
    kind = call.y.kind
    counts = [call.tape.op("Cast", one, kind=kind, to=kind) for one in chosen.values()]
    share = call.g / (call.tape.op("Sum", *counts) if len(counts) > 1 else counts[0])
    return _each(call, {i: share.where(chosen[i]) for i in chosen if call.active[i]})


@rule("Mean")
def mean(call: Call) -> Mapping[int, Value]:
    """Each input receives an equal part."""
    share = call.g * (1.0 / len(call.node.input))
    return _each(call, {index: share for index, active in enumerate(call.active) if active})


@rule("Where")
def where(call: Call) -> Mapping[int, Value]:
    """The gradient goes to the chosen input."""
    zero, condition = call.g.like(0.0), call.x(0)
    parts = {
        1: call.tape.op("Where", condition, call.g, zero, kind=call.g.kind),
        2: call.tape.op("Where", condition, zero, call.g, kind=call.g.kind),
    }
    return _each(call, {i: part for i, part in parts.items() if call.active[i]})
