"""Rules of pooling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from .call import Call
from .convolution import KernelWindow, transposed, window_of
from .rule import rule
from .tape import Value


@rule("GlobalAveragePool")
def global_average_pool(call: Call) -> Mapping[int, Value]:
    """Every position receives an equal part."""
    x = call.x()
    count = call.tape.op("ReduceProd", x.sizes(2), keepdims=0)
    share = call.g / call.tape.op("Cast", count, kind=x.kind, to=x.kind)
    return {0: share.expanded_like(x)}


@rule("GlobalMaxPool")
def global_max_pool(call: Call) -> Mapping[int, Value]:
    """The gradient goes to the first of the largest elements, as in torch's adaptive pooling."""
    x = call.x()
    flat = x.reshape([0, 0, -1])
    first = call.tape.op("ArgMax", flat, kind=TensorProto.INT64, axis=2, keepdims=1)
    length = call.tape.op("Squeeze", flat.sizes(2), call.tape.integers([0]))
    zero, one = (call.tape.constant(np.array(n, np.int64)) for n in (0, 1))
    places = call.tape.op("Range", zero, length, one)
    chosen = call.tape.op("Equal", places, first, kind=TensorProto.BOOL)
    return {0: call.g.reshape([0, 0, 1]).where(chosen).reshaped_like(x)}


@rule("MaxPool")
def max_pool(call: Call) -> Mapping[int, Value]:
    """Summed at the (first) largest element of each window, as in torch."""
    if call.attributes.get("storage_order", 0):
        raise call.unsupported("it counts in column-major order")
    tape, x, g = call.tape, call.x(), call.g.reshape([0, -1])
    size = tape.op("ReduceProd", x.sizes(1), keepdims=1)
    # Indices count over the whole batch; modulo the size of one image they are positions in a row.
    places = tape.op("Mod", tape.second_output(call.node), size).reshape([0, -1])
    shape = g.sizes()
    zeros = tape.op("Expand", g.like(0.0), tape.op("Concat", g.sizes(0, 1), size, axis=0))
    added = tape.op(
        "ScatterElements", zeros, tape.op("Expand", places, shape), g, axis=1, reduction="add"
    )  # fmt: skip
    return {0: added.reshaped_like(x)}


@rule("AveragePool")
def average_pool(call: Call) -> Mapping[int, Value]:
    """Every element of a window receives its part of the window's gradient."""
    tape, x = call.tape, call.x()
    window = window_of(call, tuple(call.attributes["kernel_shape"]))
    share = call.g * tape.constant(_shares(call, window).astype(helper.tensor_dtype_to_np_dtype(x.kind)))
    # One channel at a time: the sum is the same for all, and the number of channels may be unknown.
    single = tape.op("Reshape", share, tape.op("Concat", tape.integers([-1, 1]), call.y.sizes(2), axis=0))
    ones = tape.constant(np.ones((1, 1, *window.kernel), helper.tensor_dtype_to_np_dtype(x.kind)))
    return {0: transposed(call, single, ones, window, 1).reshaped_like(x)}


def _shares(call: Call, window: KernelWindow) -> NDArray[np.float64]:
    """1 / (number of elements that a window is the mean of), shape (…) of the output's spatial axes or ()."""
    counts_padding = bool(call.attributes.get("count_include_pad", 0))
    whole = np.array(1.0 / math.prod(window.kernel))
    if not call.attributes.get("ceil_mode", 0) and (counts_padding or not any((*window.before, *window.after))):
        return whole
    inputs, outputs = call.fixed(call.dims()[2:]), call.fixed(call.output_dims()[2:])
    along = []
    for n, (size, made) in enumerate(zip(inputs, outputs, strict=True)):
        low = -window.before[n] if counts_padding else 0
        high = size + window.after[n] if counts_padding else size
        first = np.arange(made) * window.strides[n] - window.before[n]
        positions = first[:, None] + np.arange(window.kernel[n]) * window.dilations[n]
        along.append(((positions >= low) & (positions < high)).sum(1).astype(np.float64))
    counts: NDArray[np.float64] = reduce(np.multiply.outer, along)
    return 1.0 / counts
