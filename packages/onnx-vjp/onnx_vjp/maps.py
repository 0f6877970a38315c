"""Adds saliency maps to a network: the few nodes that turn an activation and its gradient into a map.

With x the activation and g the gradient of a layer, ‖·‖ over the channels at one position u:

============ ============================= ==========================================================
bias         ‖g_u‖                          NormGrad (Rebuffi et al., CVPR 2020, "There and Back Again"):
scaling      ‖x_u ∘ g_u‖                    norm of the gradient of a virtual layer's weights at u
conv1x1      ‖x_u‖·‖g_u‖
conv3x3      ‖unfold₃(x)_u‖·‖g_u‖
gradcam      ReLU(Σ_c x_uc · mean_v g_vc)   Selvaraju et al., ICCV 2017
layercam     ReLU(Σ_c x_uc · ReLU(g_uc))    Jiang et al., IEEE TIP 2021
============ ============================= ==========================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from .errors import UnsupportedOperatorError
from .gradient import differentiate
from .prune import keep_outputs
from .tape import Tape, Value

LAYER_MAPS: Mapping[str, str] = {
    "normgrad_bias": "bias",
    "normgrad_scaling": "scaling",
    "normgrad_conv1x1": "conv1x1",
    "normgrad_conv3x3": "conv3x3",
    "gradcam": "gradcam",
    "layercam": "layercam",
}
"""Methods that use one layer, and the formula of each."""
COMBINED = "normgrad_combined"
COMBINED_FORMULA = "scaling"
"""Before global pooling conv1x1 gives every class the same map; scaling separates the classes at every layer."""
LEAST_RANGE = 1e-20
"""Epsilon of the min-max normalisation: a flat map becomes 0 instead of a division by 0."""


def add_maps(model: onnx.ModelProto, taps: Sequence[str], logits: str, methods: Sequence[str]) -> onnx.ModelProto:
    """The part of the model that makes the maps, with the added input ``seed`` and one output named after each method.

    Maps have shape (rows of the seed, 1, rows, columns) and no fixed range. Methods of one layer use the last of
    ``taps``; ``normgrad_combined`` uses all of them, at the size of the largest. Everything that the maps do not need
    is removed, including outputs and inputs.

    Raises
    ------
    UnsupportedOperatorError, GradientError
        As :func:`~.gradient.add_gradients`; or a tap is not a stack of images.
    """
    tape = Tape(model)
    gradients = differentiate(tape, taps, logits)
    for tap in taps:
        dims = tape.dims(tap)
        if dims is not None and len(dims) != 4:
            raise UnsupportedOperatorError(f"No map of {tap!r}: it has {len(dims)} axes, not (images, channels, y, x).")
    layers = [(tape.value(tap), gradient) for tap, gradient in zip(taps, gradients, strict=True)]
    for method in methods:
        if method == COMBINED:
            combined = _combined([_layer_map(COMBINED_FORMULA, x, g) for x, g in layers], _finest(tape, taps))
        else:
            combined = _layer_map(LAYER_MAPS[method], *layers[-1])
        tape.add_output(method, combined, ("rows", 1, None, None))
    return keep_outputs(tape.finish(), methods)


def last_feature_map(model: onnx.ModelProto, logits: str) -> tuple[str, ...]:
    """The last activation before the logits that is a stack of images larger than one pixel; empty if there is none."""
    tape = Tape(model)
    needed = {logits}
    for node in reversed(tape.nodes):
        if not any(name in needed for name in node.output):
            continue
        needed.update(node.input)
        for name in node.output:
            dims = tape.dims(name)
            if name in needed and dims is not None and len(dims) == 4 and dims[2:] != (1, 1):
                return (name,)
    return ()


def _layer_map(formula: str, x: Value, g: Value) -> Value:
    if formula == "bias":
        return g.reduce("ReduceL2", [1])
    if formula == "scaling":
        return (x * g).reduce("ReduceL2", [1])
    if formula == "conv1x1":
        return x.reduce("ReduceL2", [1]) * g.reduce("ReduceL2", [1])
    if formula == "conv3x3":
        # The squared norm of the unfolded neighbourhood is the sum of the squared norms in it.
        mean = x.tape.op(
            "AveragePool", x.reduce("ReduceSumSquare", [1]),
            kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1], count_include_pad=1,
        )  # fmt: skip
        return (mean * 9.0).call("Sqrt") * g.reduce("ReduceL2", [1])
    if formula == "gradcam":
        return (x * g.reduce("ReduceMean", [2, 3])).reduce("ReduceSum", [1]).call("Relu")
    return (x * g.call("Relu")).reduce("ReduceSum", [1]).call("Relu")


def _combined(maps: Sequence[Value], size: Value) -> Value:
    """The product of the layers' maps, each brought to one size (bilinear) and to the range 0 to 1."""
    product: Value | None = None
    for made in maps:
        tape = made.tape
        shape = tape.op("Concat", made.sizes(0, 2), size, axis=0)
        fine = tape.op("Resize", made, None, None, shape, mode="linear")
        low, high = fine.reduce("ReduceMin", [2, 3]), fine.reduce("ReduceMax", [2, 3])
        span = tape.op("Max", high - low, made.like(LEAST_RANGE))
        scaled = (fine - low) / span
        product = scaled if product is None else product * scaled
    assert product is not None  # noqa: S101 - differentiate() refuses an empty list of taps
    return product


def _finest(tape: Tape, taps: Sequence[str]) -> Value:
    """Rows and columns of the largest tap; if sizes are free, of the tap that is computed first."""
    dims = [tape.dims(tap) for tap in taps]
    areas = [d[2] * d[3] if d and isinstance(d[2], int) and isinstance(d[3], int) else 0 for d in dims]
    return tape.value(taps[areas.index(max(areas))]).sizes(2)
