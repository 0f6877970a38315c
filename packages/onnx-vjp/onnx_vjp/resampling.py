"""Rules of resampling: an operator that is linear along each axis is a matrix per axis, its gradient the transpose."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .call import FIRST_AXIS, Call
from .rule import rule
from .tape import Value

KEPT = ("antialias", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside", "mode", "nearest_mode")


@rule("Resize")
def resize(call: Call) -> Mapping[int, Value]:
    """All modes: the matrix of an axis is the operator's own result for the identity matrix."""
    rank = call.rank()
    if call.attributes.get("coordinate_transformation_mode") == b"tf_crop_and_resize":
        raise call.unsupported("it crops")
    if call.attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
        raise call.unsupported("it keeps the aspect ratio")
    scales = _scales(call, rank)
    if scales is not None and scales[0] != 1.0:
        raise call.unsupported(FIRST_AXIS)
    input_dims, made = call.fixed(call.dims()[1:]), call.fixed(call.output_dims()[1:])
    gradient = call.g
    for axis, (size, new) in enumerate(zip(input_dims, made, strict=True), 1):
        if size != new or (scales is not None and scales[axis] != 1.0):
            matrix = _matrix(call, size, new, None if scales is None else scales[axis])
            gradient = along_axis(gradient, matrix, axis, rank)
    return {0: gradient}


def along_axis(gradient: Value, matrix: Value, axis: int, rank: int) -> Value:
    """The gradient of y = matrix · x along one axis; ``matrix`` has shape (…, length of y, length of x)."""
    tape = gradient.tape
    if axis == rank - 1:
        return tape.op("MatMul", gradient, matrix)
    last = [*(n for n in range(rank) if n != axis), axis]
    turned = tape.op("MatMul", gradient.transpose(last), matrix)
    return turned.transpose([last.index(n) for n in range(rank)])


def _scales(call: Call, rank: int) -> list[float] | None:
    """The factor of every axis; None when sizes are given instead."""
    if not call.has(2) or call.constant(2).size == 0:
        return None
    axes = [int(a) % rank for a in call.attributes.get("axes", range(rank))]
    factors = dict(zip(axes, (float(s) for s in call.constant(2)), strict=True))
    return [factors.get(axis, 1.0) for axis in range(rank)]


def _matrix(call: Call, size: int, new: int, scale: float | None) -> Value:
    """Shape (new, size): the identity matrix, resampled along its rows in the same way as the call."""
    tape, x = call.tape, call.x()
    unit = tape.op("Cast", tape.constant(np.eye(size, dtype=np.float32)[None, None]), kind=x.kind, to=x.kind)
    options = {name: call.attributes[name] for name in KEPT if name in call.attributes}
    if scale is None:
        made = tape.op("Resize", unit, None, None, tape.integers([1, 1, new, size]), **options)
    else:
        factors = tape.constant(np.array([1.0, 1.0, scale, 1.0], np.float32))
        made = tape.op("Resize", unit, None, factors, **options)
    return made.reshape([new, size])
