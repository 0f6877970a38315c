"""Graphs cut down to some outputs, and split into what moves with an input and what stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from miqa_node.stages.assess.graph_parts import keep_outputs, split_by_input
from miqa_node.stages.assess.onnx_format import ModelProto

VIEW = np.random.default_rng(4).standard_normal((1, 1, 8, 6)).astype(np.float32)
CROPS = np.random.default_rng(5).standard_normal((5, 1, 4, 4)).astype(np.float32)


def network(*, declares: bool = False) -> ModelProto:
    """The mean of a view beside that of crops, and an output that nobody needs."""
    made = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["view", "place"], ["of_view"], keepdims=0),
            helper.make_node("Relu", ["crops"], ["positive"]),
            helper.make_node("ReduceMean", ["positive", "place"], ["each"], keepdims=0),
            helper.make_node("ReduceMean", ["each", "first"], ["of_crops"]),
            helper.make_node("Add", ["of_view", "of_crops"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["severity"]),
        ],
        "network",
        [
            helper.make_tensor_value_info("view", TensorProto.FLOAT, [1, 1, 8, 6]),
            helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["K", 1, 4, 4]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1]) for name in ("logits", "severity")],
        [numpy_helper.from_array(np.array(axes), name) for name, axes in (("place", [2, 3]), ("first", [0]))],
        value_info=[helper.make_tensor_value_info("of_crops", TensorProto.FLOAT, [1, 1])] if declares else [],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"miqa_card": "{}"})
    parsed: ModelProto = ModelProto.FromString(model.SerializeToString())
    return parsed


def run(model: ModelProto, **inputs: np.ndarray) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    [value] = session.run(None, inputs)
    return value


def names(values: Any) -> list[str]:
    return [value.name for value in values]


def test_a_graph_begins_at_what_is_known() -> None:
    small = keep_outputs(network(), ["severity"], ["of_crops", "crops"])
    assert (names(small.graph.input), len(small.graph.node)) == (["of_crops", "view"], 3)
    crops = run(keep_outputs(network(), ["of_crops"]), crops=CROPS)
    whole = run(keep_outputs(network(), ["severity"]), view=VIEW, crops=CROPS)
    np.testing.assert_array_equal(run(small, of_crops=crops, view=VIEW), whole)


def test_a_graph_is_cut_to_one_output() -> None:
    small = keep_outputs(network(), ["of_view"])
    assert (names(small.graph.input), names(small.graph.initializer)) == (["view"], ["place"])
    assert not small.metadata_props
    np.testing.assert_allclose(run(small, view=VIEW), VIEW.mean((2, 3)), rtol=1e-5)


@pytest.mark.parametrize("declares", [False, True])
def test_a_graph_splits_into_what_moves_and_what_stays(*, declares: bool) -> None:
    model = network(declares=declares)
    whole = run(keep_outputs(model, ["logits"]), view=VIEW, crops=CROPS)
    fixed, moving = split_by_input(model, "view", ["logits"])
    assert fixed is not None
    assert (names(fixed.graph.input), names(fixed.graph.output)) == (["crops"], ["of_crops"])
    assert names(moving.graph.input) == ["view", "of_crops"]
    np.testing.assert_array_equal(run(moving, view=VIEW, of_crops=run(fixed, crops=CROPS)), whole)


def test_without_another_input_nothing_stays() -> None:
    fixed, moving = split_by_input(network(), "view", ["of_view"])
    assert fixed is None
    assert names(moving.graph.input) == ["view"]


def test_what_a_branch_reads_is_kept() -> None:
    """The subgraphs of an If read tensors of the graph around it."""
    x, y, total = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y", "sum"))
    go = helper.make_tensor_value_info("go", TensorProto.BOOL, [])
    branch = helper.make_graph([helper.make_node("Add", ["x", "weight"], ["sum"])], "branch", [], [total])
    node = helper.make_node("If", ["go"], ["y"], then_branch=branch, else_branch=branch)
    weight = numpy_helper.from_array(np.ones(1, np.float32), "weight")
    made = helper.make_graph([node], "branches", [x, go], [y], [weight])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    smaller = keep_outputs(ModelProto.FromString(model.SerializeToString()), ["y"])
    assert run(smaller, x=np.ones(1, np.float32), go=np.array(True)) == [2.0]
