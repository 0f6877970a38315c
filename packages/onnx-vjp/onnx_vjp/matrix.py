"""Rules of matrix products: the linear layers of a head, and attention."""

from __future__ import annotations

from collections.abc import Mapping

from .call import FIRST_AXIS, Call
from .rule import rule, unbroadcast
from .tape import Value


@rule("Gemm")
def gemm(call: Call) -> Mapping[int, Value]:
    """alpha·A·B + beta·C, where the rows of A are those of the images."""
    if call.active[1] or (call.active[0] and call.attributes.get("transA", 0)):
        raise call.unsupported(FIRST_AXIS)
    gradients = {}
    if call.active[0]:
        alpha, turned = call.attributes.get("alpha", 1.0), 1 - call.attributes.get("transB", 0)
        gradients[0] = call.tape.op("Gemm", call.g, call.x(1), alpha=alpha, transB=turned)
    if len(call.active) > 2 and call.active[2]:
        gradients[2] = unbroadcast(call, call.g * call.attributes.get("beta", 1.0), 2)
    return gradients


@rule("MatMul")
def matmul(call: Call) -> Mapping[int, Value]:
    """A·B of matrices or stacks of them; an operand that depends on the image has the images as its first axis."""
    rank = len(call.output_dims())
    gradients = {}
    for index in (i for i in (0, 1) if call.active[i]):
        if call.rank(index) != rank or rank < 2 + index:
            raise call.unsupported(FIRST_AXIS)
        other = call.x(1 - index)
        other_rank = call.rank(1 - index)
        if other_rank < 2:
            raise call.unsupported("one of its inputs is a vector")
        turned = other.transpose([*range(other_rank - 2), other_rank - 1, other_rank - 2])
        product = call.tape.op("MatMul", *((call.g, turned) if index == 0 else (turned, call.g)))
        gradients[index] = _unstacked(call, product, index)
    return gradients


def _unstacked(call: Call, gradient: Value, index: int) -> Value:
    """The gradient summed over the leading axes along which the input was broadcast."""
    input_dims, made = call.dims(index), call.output_dims()
    axes = [n for n in range(1, len(made) - 2) if input_dims[n] == 1 and made[n] != 1]
    if any(input_dims[n] is None for n in range(1, len(made) - 2)) or (input_dims[0] == 1 and made[0] != 1):
        raise call.unsupported("the sizes of its stacks are not known")
    return gradient.reduce("ReduceSum", axes) if axes else gradient
