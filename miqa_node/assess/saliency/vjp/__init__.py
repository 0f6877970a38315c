"""Vector-Jacobian products: for each operator of ONNX, the nodes that carry a gradient from its output to its inputs.

One module per family of operators. A rule gets a :class:`~miqa_node.assess.saliency.call.Call` and answers with the
gradients of those inputs that have one, by their index. Names follow the books: x input, y output, g gradient.
"""

from miqa_node.assess.saliency.vjp import (
    arithmetic,
    convolution,
    layout,
    matrix,
    normalisation,
    pointwise,
    pooling,
    reduction,
    resampling,
)
from miqa_node.assess.saliency.vjp.registry import CONSTANT, RULES

__all__ = [
    "CONSTANT",
    "RULES",
    "arithmetic",
    "convolution",
    "layout",
    "matrix",
    "normalisation",
    "pointwise",
    "pooling",
    "reduction",
    "resampling",
]
