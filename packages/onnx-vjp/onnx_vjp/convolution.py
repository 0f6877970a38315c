"""Rules of convolutions: the exact transposed convolution, and the form that the runtime computes quickly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .call import Call
from .rule import rule
from .tape import Dim, Value

BEFORE_FIRST = np.iinfo(np.int64).min
"""End of a slice that runs backwards through the first element."""


@dataclass(frozen=True, slots=True)
class KernelWindow:
    """Geometry of a window over the spatial axes, one number per axis; padding before and after."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def reach(self) -> tuple[int, ...]:
        """Distance between the first and the last element of a window."""
        return tuple(d * (k - 1) for k, d in zip(self.kernel, self.dilations, strict=True))

    def margins(self, more: tuple[int, ...]) -> tuple[list[int], list[int]]:
        """Padding, before and after, that restores the input's size for a gradient; ``more`` is added at the end."""
        before = [r - p for r, p in zip(self.reach, self.before, strict=True)]
        return before, [r - p + m for r, p, m in zip(self.reach, self.after, more, strict=True)]

    @property
    def attributes(self) -> dict[str, Any]:
        """As attributes of a node."""
        return {
            "kernel_shape": list(self.kernel),
            "strides": list(self.strides),
            "dilations": list(self.dilations),
            "pads": [*self.before, *self.after],
        }

    def slack(self, inputs: tuple[Dim, ...], outputs: tuple[Dim, ...]) -> list[int] | None:
        """Number of elements at the end that no window covers (negative with ceil_mode); None if sizes are free."""
        sizes = [
            size + p + q - (made - 1) * s - r - 1
            for size, made, p, q, s, r in zip(
                inputs, outputs, self.before, self.after, self.strides, self.reach, strict=True
            )
            if isinstance(size, int) and isinstance(made, int)
        ]
        return sizes if len(sizes) == len(self.kernel) else None


@rule("Conv")
def conv(call: Call) -> Mapping[int, Value]:
    """The input is correlated with the weight, so the gradient is correlated with the mirrored weight."""
    call.only(0)
    weight = call.constant(1)
    groups, window = int(call.attributes.get("group", 1)), window_of(call, weight.shape[2:])
    slack = window.slack(call.dims()[2:], call.output_dims()[2:])
    if set(window.strides) == {1}:
        before, after = window.margins((0,) * len(window.kernel))
        if min(*before, *after) >= 0:
            return {0: _mirrored(call, call.g, weight, groups, window, (*before, *after))}
    elif groups > 1 and slack is not None and len(set(window.strides)) == 1 and len(window.strides) == 2:
        # ConvTranspose with groups is slow in ONNX Runtime: zeros between the elements, then a plain convolution.
        stride = window.strides[0]
        before, after = window.margins(tuple(extra - stride + 1 for extra in slack))
        if min(*before, *after) >= 0:
            return {0: _mirrored(call, _spread(call, stride), weight, groups, window, (*before, *after))}
    return {0: transposed(call, call.g, call.x(1), window, groups)}


@rule("ConvTranspose")
def conv_transpose(call: Call) -> Mapping[int, Value]:
    """The plain convolution with the same weight."""
    call.only(0)
    if "output_shape" in call.attributes:
        raise call.unsupported("it names its output_shape")
    weight = call.constant(1)
    window = window_of(call, weight.shape[2:])
    group = int(call.attributes.get("group", 1))
    return {0: call.tape.op("Conv", call.g, call.x(1), group=group, **window.attributes)}


def window_of(call: Call, kernel: tuple[int, ...]) -> KernelWindow:
    """The window of a convolution or pooling node, automatic padding resolved."""
    axes = len(kernel)
    strides = tuple(call.attributes.get("strides", (1,) * axes))
    dilations = tuple(call.attributes.get("dilations", (1,) * axes))
    pads = tuple(call.attributes.get("pads", (0,) * 2 * axes))
    automatic = call.attributes.get("auto_pad", b"NOTSET")
    if automatic == b"VALID":
        pads = (0,) * 2 * axes
    elif automatic != b"NOTSET":
        if call.node.op_type == "ConvTranspose":
            raise call.unsupported("it pads automatically")
        free = KernelWindow(kernel, strides, dilations, (0,) * axes, (0,) * axes)
        slack = free.slack(call.dims()[2:], call.output_dims()[2:])
        total = [max(-s, 0) for s in slack if slack] if slack is not None else call.fixed((None,))
        upper = automatic == b"SAME_UPPER"
        before = [t // 2 if upper else t - t // 2 for t in total]
        pads = (*before, *(t - b for t, b in zip(total, before, strict=True)))
    return KernelWindow(tuple(kernel), strides, dilations, pads[:axes], pads[axes:])


def transposed(call: Call, gradient: Value, weight: Value, window: KernelWindow, groups: int) -> Value:
    """The adjoint of a convolution, in the size of the call's input."""
    tape, axes = call.tape, len(window.kernel)
    attributes: dict[str, Any] = window.attributes | {"group": groups}
    slack = window.slack(call.dims()[2:], call.output_dims()[2:])
    if slack is not None and all(0 <= extra < stride for extra, stride in zip(slack, window.strides, strict=True)):
        return tape.op("ConvTranspose", gradient, weight, output_padding=slack, **attributes)
    # Free sizes, or windows that end outside: made too large, then cut to the input's size.
    attributes["pads"] = [*window.before, *(0,) * axes]
    more = [stride - 1 for stride in window.strides]
    large = tape.op("ConvTranspose", gradient, weight, output_padding=more, **attributes)
    return tape.op(
        "Slice", large, tape.integers([0] * axes), call.x().sizes(2), tape.integers(range(2, axes + 2))
    )  # fmt: skip


def _mirrored(
    call: Call, gradient: Value, weight: NDArray[np.floating], groups: int, window: KernelWindow, pads: Sequence[int]
) -> Value:
    """Convolution of stride 1 with the weight mirrored and its input and output channels swapped.

    Nodes turn the weight, because a constant would hold the same numbers once more. A runtime turns it once, when it
    loads the graph.
    """
    outputs, inputs, *kernel = weight.shape
    turned, axes = call.x(1), range(2, 2 + len(kernel))
    if groups == 1:
        turned = turned.transpose([1, 0, *axes])
    elif inputs > 1 or outputs > groups:
        grouped = turned.reshape([groups, outputs // groups, inputs, *kernel])
        turned = grouped.transpose([0, 2, 1, *(axis + 1 for axis in axes)])
        turned = turned.reshape([groups * inputs, outputs // groups, *kernel])
    if any(size > 1 for size in kernel):
        last, end = call.tape.integers([-1] * len(kernel)), call.tape.integers([BEFORE_FIRST] * len(kernel))
        turned = call.tape.op("Slice", turned, last, end, call.tape.integers(axes), last)  # the step is -1 as well
    return call.tape.op(
        "Conv", gradient, turned,
        group=groups, kernel_shape=kernel, dilations=list(window.dilations), pads=list(pads),
    )  # fmt: skip


def _spread(call: Call, stride: int) -> Value:
    """The gradient with ``stride`` - 1 zeros after each element of rows and columns."""
    [channels] = call.fixed(call.output_dims()[1:2])
    pads = call.tape.integers([0] * 5 + [channels * (stride * stride - 1), 0, 0])
    return call.tape.op("DepthToSpace", call.tape.op("Pad", call.g, pads), blocksize=stride, mode="DCR")
