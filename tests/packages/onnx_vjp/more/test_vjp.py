"""Every rule against central differences computed by ONNX Runtime on the same small graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.packages.onnx_vjp.test_vjp import QUICK, node, rng_of


@QUICK
@given(data=st.data())
def test_convolution(graph: Any, check: Any, data: st.DataObject) -> None:
    """Any stride, padding, dilation and grouping, also strided depthwise."""
    groups = data.draw(st.sampled_from([1, 1, 2, 4]))
    inputs, outputs = groups * data.draw(st.integers(1, 2)), groups * data.draw(st.integers(1, 3))
    kernel = [data.draw(st.integers(1, 4)) for _ in range(2)]
    strides = data.draw(st.sampled_from([[1, 1], [2, 2], [3, 3], [2, 1]]))
    dilations = [data.draw(st.integers(1, 2)) for _ in range(2)]
    pads = [data.draw(st.integers(0, 3)) for _ in range(4)]
    size = [d * (k - 1) + 1 + data.draw(st.integers(0, 5)) for k, d in zip(kernel, dilations, strict=True)]
    shape: tuple[int | str, ...] = (2, inputs, *size)
    if data.draw(st.booleans()):
        shape = (2, inputs, "rows", "columns")
    rng = rng_of(groups, inputs, outputs, kernel, strides, pads, size)
    weight = rng.standard_normal((outputs, inputs // groups, *kernel)).astype(np.float32)
    x = rng.standard_normal((2, inputs, *size)).astype(np.float32)
    made = node("Conv", "x w", group=groups, kernel_shape=kernel, strides=strides, dilations=dilations, pads=pads)
    check(graph([made], shape, {"w": weight}), x, rng)
