"""Rules of normalisations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .call import Call
from .rule import rule
from .tape import Value

EPSILON = 1e-5
"""Default epsilon of all these operators."""


@rule("BatchNormalization")
def batch_normalization(call: Call) -> Mapping[int, Value]:
    """With running statistics: one factor per channel."""
    call.only(0)
    if call.attributes.get("training_mode", 0):
        raise call.unsupported("it is in training mode")
    scale, variance = call.constant(1), call.constant(4)
    factor = scale / np.sqrt(variance.astype(np.float64) + call.attributes.get("epsilon", EPSILON))
    shape = (1, -1) + (1,) * (call.rank() - 2)
    return {0: call.g * call.tape.constant(factor.astype(scale.dtype).reshape(shape))}


@rule("InstanceNormalization")
def instance_normalization(call: Call) -> Mapping[int, Value]:
    """Mean and variance over the spatial axes of each channel."""
    call.only(0)
    rank = call.rank()
    scaled = call.g * call.x(1).reshape([1, -1, *(1,) * (rank - 2)])
    return {0: _centred(call, scaled, call.x(), range(2, rank))}


@rule("LayerNormalization")
def layer_normalization(call: Call) -> Mapping[int, Value]:
    """Mean and variance over the last axes."""
    call.only(0)
    rank = call.rank()
    first = call.axis(int(call.attributes.get("axis", -1)), rank)
    return {0: _centred(call, call.g * call.x(1), call.x(), range(first, rank))}


@rule("GroupNormalization")
def group_normalization(call: Call) -> Mapping[int, Value]:
    """Mean and variance over the spatial axes and the channels of a group (operator set 21: a scale per channel)."""
    call.only(0)
    groups, x = int(call.attributes["num_groups"]), call.x()
    if call.constant(1).shape[0] != call.dims()[1]:
        raise call.unsupported("it has a scale per group")
    scaled = call.g * call.x(1).reshape([1, -1, *(1,) * (call.rank() - 2)])
    grouped = _centred(call, scaled.reshape([0, groups, -1]), x.reshape([0, groups, -1]), (2,))
    return {0: grouped.reshaped_like(x)}


def _centred(call: Call, g: Value, x: Value, axes: Sequence[int]) -> Value:
    """Of z = (x - mean) / σ: (g - mean(g) - z·mean(g·z)) / σ (Ioffe and Szegedy, ICML 2015)."""
    from_mean = x - x.reduce("ReduceMean", axes)
    variance = (from_mean * from_mean).reduce("ReduceMean", axes)
    sigma = (variance + float(call.attributes.get("epsilon", EPSILON))).call("Sqrt")
    z = from_mean / sigma
    return (g - g.reduce("ReduceMean", axes) - z * (g * z).reduce("ReduceMean", axes)) / sigma
