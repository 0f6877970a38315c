"""Maps made inside a graph against their formulas in numpy, and graphs cut down to what maps need."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from miqa_node.libraries.onnx_vjp import (
    COMBINED,
    LAYER_MAPS,
    SEED,
    UnsupportedOperatorError,
    add_class_maps,
    add_gradients,
    add_maps,
    gradient_name,
    keep_outputs,
)

Arrays = dict[str, np.ndarray]


def network() -> onnx.ModelProto:
    """A graph of the node's contract: taps at two sizes of a global view, crops, and an output that nobody needs."""
    rng = np.random.default_rng(3)
    weights = {
        "w1": rng.standard_normal((4, 1, 3, 3)), "w2": rng.standard_normal((6, 4, 3, 3)) / 4,
        "wc": rng.standard_normal((2, 1, 3, 3)), "head": rng.standard_normal((8, 3)),
    }  # fmt: skip

    def node(op: str, inputs: str, output: str, **attributes: Any) -> Any:
        return helper.make_node(op, inputs.split(" "), [output], **attributes)

    nodes = [
        node("Conv", "global_view w1", "c1", pads=[1] * 4, strides=[2, 2]),
        node("Relu", "c1", "fine"),
        node("Conv", "fine w2", "c2", pads=[1] * 4, strides=[2, 2]),
        node("Relu", "c2", "coarse"),
        node("ReduceMean", "coarse place", "of_view", keepdims=0),
        node("Conv", "crops wc", "c3"),
        node("Relu", "c3", "c4"),
        node("ReduceMean", "c4 place", "each", keepdims=0),
        node("ReduceMean", "each first", "of_crops"),
        node("Concat", "of_view of_crops", "features", axis=1),
        node("MatMul", "features head", "logits"),
        node("Sigmoid", "logits", "severity"),
    ]
    constants = {"place": np.array([2, 3]), "first": np.array([0])}
    made = helper.make_graph(
        nodes,
        "network",
        [
            helper.make_tensor_value_info("global_view", TensorProto.FLOAT, [1, 1, 32, 24]),
            helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["K", 1, 10, 10]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in ("logits", "severity")],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
        + [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


RNG = np.random.default_rng(4)
VIEW = RNG.standard_normal((1, 1, 32, 24)).astype(np.float32)
CROPS = RNG.standard_normal((5, 1, 10, 10)).astype(np.float32)
SEEDS = np.eye(3, dtype=np.float32)
TAPS = ("coarse", "fine")


@pytest.fixture(scope="module")
def layers() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Activation (one row) and gradients (a row per class) of each tap."""
    import onnxruntime as ort

    full = add_gradients(network(), TAPS, "logits").SerializeToString()
    session = ort.InferenceSession(full, providers=["CPUExecutionProvider"])
    names = [*TAPS, *(gradient_name(t) for t in TAPS)]
    layers = dict(zip(names, session.run(names, {"global_view": VIEW, "crops": CROPS, SEED: SEEDS}), strict=True))
    return {t: (layers[t], layers[gradient_name(t)]) for t in TAPS}


def literal(formula: str, x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """One class, as the papers write it; x and g (channels, rows, columns)."""
    if formula == "bias":
        return np.asarray(np.linalg.norm(g, axis=0))
    if formula == "scaling":
        return np.asarray(np.linalg.norm(x * g, axis=0))
    if formula in {"conv1x1", "conv3x3"}:
        # Frobenius norm of the outer product of the gradient and the (unfolded) activation at each position.
        reach = 1 if formula == "conv3x3" else 0
        padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)))
        made = np.zeros(x.shape[1:])
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                around = padded[:, i : i + 2 * reach + 1, j : j + 2 * reach + 1].ravel()
                made[i, j] = np.linalg.norm(np.outer(g[:, i, j], around))
        return made
    if formula == "gradcam":
        return np.maximum(np.tensordot(g.mean((1, 2)), x, 1), 0)
    return np.asarray(np.maximum((x * np.maximum(g, 0)).sum(0), 0))


@pytest.mark.parametrize(("method", "formula"), LAYER_MAPS.items())
def test_a_map_is_what_its_formula_says(run: Any, layers: Any, method: str, formula: str) -> None:
    """For three classes in one run, at the last tap."""
    maps = run(add_maps(network(), TAPS, "logits", [method]), {"global_view": VIEW, SEED: SEEDS})[method]
    x, gradients = layers["fine"]
    assert maps.shape == (3, 1, 16, 12)
    for heat, g in zip(maps[:, 0], gradients, strict=True):
        expected = literal(formula, x[0].astype(np.float64), g.astype(np.float64))
        assert expected.max() > 0
        np.testing.assert_allclose(heat, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_the_combined_map_is_the_product_of_normalised_layers(run: Any, layers: Any) -> None:
    maps = run(add_maps(network(), TAPS, "logits", [COMBINED]), {"global_view": VIEW, SEED: SEEDS})[COMBINED]
    for row, heat in enumerate(maps[:, 0]):
        expected = np.ones((16, 12))
        for x, gradients in layers.values():
            one = literal("scaling", x[0].astype(np.float64), gradients[row].astype(np.float64))
            fine = cv2.resize(one, (12, 16), interpolation=cv2.INTER_LINEAR)
            expected *= (fine - fine.min()) / (fine.max() - fine.min())
        np.testing.assert_allclose(heat, expected, atol=1e-4)


def test_classes_differ_by_scaling_but_not_by_conv1x1_before_global_pooling(run: Any) -> None:
    """Why the combined map is made of scaling: a linear head after pooling has one gradient for all positions."""
    methods = ["normgrad_conv1x1", "normgrad_scaling"]
    out = run(add_maps(network(), ["coarse"], "logits", methods), {"global_view": VIEW, SEED: SEEDS})
    same, different = (out[m][:, 0] / out[m][:, 0].max((1, 2), keepdims=True) for m in methods)
    np.testing.assert_allclose(same[0], same[1], rtol=1e-5)
    assert np.abs(different[0] - different[1]).max() > 0.05


def test_maps_need_neither_crops_nor_other_outputs() -> None:
    """Gradients of the view do not depend on the crops here, so the crops' part of the network is left out."""
    full, small = network(), add_maps(network(), TAPS, "logits", ["gradcam"])
    assert [i.name for i in small.graph.input] == ["global_view", SEED]
    assert [o.name for o in small.graph.output] == ["gradcam"]
    assert "wc" not in {i.name for i in small.graph.initializer}
    assert "wc" in {i.name for i in full.graph.initializer}


def test_taps_that_are_no_images_are_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="2 axes"):
        add_maps(network(), ["of_view"], "logits", ["gradcam"])


def test_a_flat_combined_map_is_zero_and_not_undefined(run: Any) -> None:
    model = add_maps(network(), TAPS, "logits", [COMBINED])
    maps = run(model, {"global_view": VIEW, SEED: np.zeros((2, 3), np.float32)})[COMBINED]
    assert maps.shape[0] == 2
    assert not maps.any()


def test_a_graph_can_be_cut_to_one_output(run: Any) -> None:
    small = keep_outputs(network(), ["coarse"])
    assert [i.name for i in small.graph.input] == ["global_view"]
    assert run(small, {"global_view": VIEW})["coarse"].shape == (1, 6, 8, 6)


def classifier(head: str) -> onnx.ModelProto:
    """A convolution, a mean, and a linear layer as exporters write it."""
    rng = np.random.default_rng(6)
    weights = {"w": rng.standard_normal((5, 1, 3, 3)), "head": rng.standard_normal((5, 3)), "b": np.ones(3)}

    def node(op: str, inputs: str, output: str, **attributes: Any) -> Any:
        return helper.make_node(op, inputs.split(" "), [output], **attributes)

    heads = {
        "gemm": [node("GlobalAveragePool", "x", "p"), node("Flatten", "p", "f"),
                 node("Gemm", "f turned b", "logits", transB=1)],
        "matmul": [node("ReduceMean", "x place", "p", keepdims=0), node("MatMul", "p head", "m"),
                   node("Add", "m b", "logits")],
        "maximum": [node("GlobalMaxPool", "x", "p"), node("Flatten", "p", "f"), node("Gemm", "f head b", "logits")],
        "activated": [node("GlobalAveragePool", "x", "p"), node("Flatten", "p", "f"), node("MatMul", "f head", "m"),
                      node("Tanh", "m", "logits")],
    }  # fmt: skip
    arrays = {k: v.astype(np.float32) for k, v in weights.items()} | {"place": np.array([2, 3])}
    arrays["turned"] = np.ascontiguousarray(arrays["head"].T)
    made = helper.make_graph(
        [node("Conv", "image w", "c"), node("Relu", "c", "x"), *heads[head]],
        "classifier",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["images", 1, 9, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["images", 3])],
        [numpy_helper.from_array(v, k) for k, v in arrays.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("head", ["gemm", "matmul"])
def test_class_maps_are_normgrad_of_every_class_without_a_backward_pass(run: Any, head: str) -> None:
    image = np.random.default_rng(7).standard_normal((2, 1, 9, 8)).astype(np.float32)
    out = run(add_class_maps(classifier(head)), {"image": image})
    assert out["maps"].shape == (2, 3, 7, 6)
    slow = add_maps(classifier(head), ["x"], "logits", ["normgrad_scaling"])
    for column in range(3):
        expected = run(slow, {"image": image, SEED: np.eye(3, dtype=np.float32)[column : column + 1]})
        np.testing.assert_allclose(out["maps"][:, column], expected["normgrad_scaling"][:, 0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("head", "says"), [("maximum", "mean of a feature map"), ("activated", "linear layer")])
def test_class_maps_need_a_linear_layer_of_a_mean(head: str, says: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=says):
        add_class_maps(classifier(head))
