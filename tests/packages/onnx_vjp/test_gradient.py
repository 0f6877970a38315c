"""What can be differentiated, what cannot and is said, and what stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from miqa_node.libraries.onnx_vjp import SEED, GradientError, UnsupportedOperatorError, add_gradients, gradient_name


def node(op: str, inputs: str = "x", output: str = "y", **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(" "), [output], **attributes)


def network(opset: int = 18) -> onnx.ModelProto:
    """Two convolutions with a residual, pooled, and a linear head of 3 classes, written as sets up to 11 have it."""
    rng = np.random.default_rng(1)
    weights = {
        "w1": rng.standard_normal((4, 1, 3, 3)), "w2": rng.standard_normal((4, 4, 3, 3)),
        "head": rng.standard_normal((3, 4)), "bias": rng.standard_normal(3),
    }  # fmt: skip
    nodes = [
        node("Conv", "image w1", "c1", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", "c1", "early"),
        node("Conv", "early w2", "c2", pads=[1, 1, 1, 1]),
        node("Add", "c2 early", "sum"),
        node("Relu", "sum", "late"),
        node("ReduceMean", "late", "mean", axes=[2, 3]),
        node("Flatten", "mean", "flat"),
        node("Gemm", "flat head bias", "logits", transB=1),
    ]
    if opset >= 18:
        nodes[5] = node("ReduceMean", "late axes", "mean")
    initializers = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    if opset >= 18:
        initializers.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    made = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["images", 1, 8, 6])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["images", 3])],
        initializers,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


IMAGE = np.random.default_rng(2).standard_normal((2, 1, 8, 6)).astype(np.float32)
ONE = np.array([[0, 1, 0]], np.float32)


def test_several_taps_come_with_activation_and_gradient(run: Any) -> None:
    """The gradient of the late tap is known: the head's weights spread over the positions."""
    model = network()
    before = model.SerializeToString()
    full = add_gradients(model, ["early", "late"], "logits")
    out = run(full, {"image": IMAGE, SEED: ONE})
    assert model.SerializeToString() == before
    assert set(out) == {"logits", "early", "late", gradient_name("early"), gradient_name("late")}
    head = numpy_helper.to_array(model.graph.initializer[2])
    expected = np.broadcast_to(head[1][None, :, None, None] / 12, (2, 4, 4, 3))
    np.testing.assert_allclose(out[gradient_name("late")], expected, rtol=1e-6)
    np.testing.assert_allclose(out["logits"], run(model, {"image": IMAGE})["logits"], rtol=1e-6)


def test_one_image_and_many_seeds_are_one_run(run: Any) -> None:
    full = add_gradients(network(), ["early"], "logits")
    rows = run(full, {"image": IMAGE[:1], SEED: np.eye(3, dtype=np.float32)})[gradient_name("early")]
    for row, seed in zip(rows, np.eye(3, dtype=np.float32), strict=True):
        alone = run(full, {"image": IMAGE[:1], SEED: seed[None]})[gradient_name("early")][0]
        np.testing.assert_allclose(row, alone, rtol=1e-5, atol=1e-6)
    assert not np.allclose(rows[0], rows[1])


@pytest.mark.parametrize("opset", [9, 11, 13, 17])
def test_older_operator_sets_give_the_same(run: Any, opset: int) -> None:
    expected = run(add_gradients(network(), ["early"], "logits"), {"image": IMAGE, SEED: ONE})
    gradients = run(add_gradients(network(opset), ["early"], "logits"), {"image": IMAGE, SEED: ONE})
    np.testing.assert_allclose(
        gradients[gradient_name("early")], expected[gradient_name("early")], rtol=1e-6, atol=1e-7
    )


def test_local_functions_are_opened(run: Any) -> None:
    """Exporters may write a layer as a function of the model."""
    model = network()
    body = [helper.make_node("Relu", ["a"], ["b"])]
    function = helper.make_function("own", "Activate", ["a"], ["b"], body, [helper.make_opsetid("", 18)])
    relu = next(n for n in model.graph.node if n.output[0] == "late")
    relu.op_type, relu.domain = "Activate", "own"
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("own", 1))
    expected = run(add_gradients(network(), ["early"], "logits"), {"image": IMAGE, SEED: ONE})
    gradients = run(add_gradients(model, ["early"], "logits"), {"image": IMAGE, SEED: ONE})
    np.testing.assert_allclose(gradients[gradient_name("early")], expected[gradient_name("early")], rtol=1e-6)


def test_an_unknown_operator_is_named(graph: Any) -> None:
    model = graph([node("Det", "x", "d"), node("Unsqueeze", "d a")], (2, 3, 3), {"a": np.array([1])})
    with pytest.raises(UnsupportedOperatorError, match=r"through Det: there is no rule"):
        add_gradients(model, ["x"], "logits")


def test_an_unknown_operator_beside_the_way_does_not_matter(run: Any, graph: Any) -> None:
    """Before the tap, or on a branch that the logits do not need."""
    nodes = [node("Sign", "x", "s"), node("CumSum", "s a", "tap"), node("CumSum", "tap a", "aside"), node("Exp", "tap")]
    model = graph(nodes, (2, 3), {"a": np.array(1)})
    ones = np.ones((2, 3), np.float32)
    out = run(add_gradients(model, ["tap"], "logits"), {"x": ones, SEED: ones[:1]})
    np.testing.assert_allclose(out[gradient_name("tap")], np.exp([[1, 2, 3]] * 2), rtol=1e-6)


MIXING = {
    "transpose": ([node("Transpose", perm=[1, 0, 2])], {}),
    "reshape": ([node("Reshape", "x s")], {"s": np.array([3, -1])}),
    "flatten": ([node("Flatten", axis=2)], {}),
    "reduce": ([node("ReduceMean", "x a")], {"a": np.array([0])}),
    "reduce all": ([node("ReduceMax")], {}),
    "softmax": ([node("Softmax", axis=0)], {}),
    "concat": ([node("Concat", "x x", axis=0)], {}),
    "slice": ([node("Slice", "x b e a")], {"b": np.array([0]), "e": np.array([1]), "a": np.array([0])}),
    "gather": ([node("Gather", "x i", axis=0)], {"i": np.array([0])}),
    "pad": ([node("Pad", "x p")], {"p": np.array([1, 0, 0, 0, 0, 0])}),
    "expand": ([node("ReduceSum", "x a", "r"), node("Expand", "one e", "o"), node("Mul", "r o")],
               {"a": np.array([1]), "one": np.ones(1, np.float32), "e": np.array([4, 1, 1])}),
    "matrix": ([node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "x t", "m"), node("Squeeze", "m a")],
               {"a": np.array([0])}),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "constants"), MIXING.values(), ids=MIXING)
def test_what_mixes_the_images_of_a_batch_is_refused(graph: Any, nodes: list[Any], constants: dict[str, Any]) -> None:
    made = graph(nodes, (1, 3, 4), constants)
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    made.graph.output[0].type.tensor_type.ClearField("shape")
    with pytest.raises(UnsupportedOperatorError, match="first axis"):
        add_gradients(made, ["x"], "logits")


REFUSED = {
    "a weight of the image": ([node("ReduceMean", "x a", "w"), node("Pow", "x w")], {"a": np.array([1])}, "image"),
    "training": ([helper.make_node("BatchNormalization", ["x", "c", "c", "c", "c"], ["y", "m", "v"], training_mode=1)],
                 {"c": np.ones(3, np.float32)}, "training"),
    "cropping": ([node("Resize", "x r f", coordinate_transformation_mode="tf_crop_and_resize")],
                 {"r": np.array([0, 0, 0, 1, 1, 1], np.float32), "f": np.array([1, 1, 2], np.float32)}, "crops"),
    "aspect ratio": ([helper.make_node("Resize", ["x", "", "", "s"], ["y"], keep_aspect_ratio_policy="not_larger")],
                     {"s": np.array([2, 6, 8])}, "aspect"),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "constants", "says"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_rule_in_this_form_is_refused(
    graph: Any, nodes: list[Any], constants: dict[str, Any], says: str
) -> None:
    with pytest.raises(UnsupportedOperatorError, match=says):
        add_gradients(graph(nodes, (2, 3, 4), constants), ["x"], "logits")


@pytest.mark.parametrize(
    ("taps", "logits", "says"),
    [
        ([], "logits", "No layer"),
        (["nowhere"], "logits", "no tensor 'nowhere'"),
        (["late"], "nowhere", "no tensor 'nowhere'"),
        (["early"], "late", "has 4 axes"),
        (["logits"], "flat", "does not depend on 'logits'"),
    ],
)
def test_names_that_do_not_fit_are_said(taps: list[str], logits: str, says: str) -> None:
    with pytest.raises(GradientError, match=says):
        add_gradients(network(), taps, logits)


def test_a_tensor_called_seed_is_said() -> None:
    model = network()
    model.graph.node[0].output[0] = model.graph.node[1].input[0] = SEED
    with pytest.raises(GradientError, match="already"):
        add_gradients(model, ["early"], "logits")
