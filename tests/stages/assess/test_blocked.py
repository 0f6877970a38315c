"""Graphs in whole blocks give the same results; others are left as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from miqa_node.stages.assess.blocked import in_whole_blocks
from tests.conftest import ROOT


def energies(filters: int, *, read_twice: bool = False) -> bytes:
    """Two energies of one set of filters, as in the network's texture branch."""
    rng = np.random.default_rng(3)
    weights = numpy_helper.from_array(rng.normal(size=(filters, 1, 5, 5)).astype(np.float32), "filters")
    nodes, ends = [], []
    for size in (2, 4):
        nodes += [
            helper.make_node("Conv", ["image", "filters"], [f"conv{size}"], pads=[2, 2, 2, 2]),
            helper.make_node("Mul", [f"conv{size}"] * 2, [f"square{size}"]),
            helper.make_node(
                "AveragePool", [f"square{size}"], [f"mean{size}"], kernel_shape=[size] * 2, strides=[size] * 2
            ),
        ]
        ends.append(helper.make_tensor_value_info(f"mean{size}", TensorProto.FLOAT, None))
    if read_twice:
        nodes.append(helper.make_node("Relu", ["conv2"], ["rest"]))
        ends.append(helper.make_tensor_value_info("rest", TensorProto.FLOAT, None))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["K", 1, 40, 48])
    graph = helper.make_graph(nodes, "energies", [image], ends, [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


def results(graph: bytes, image: Any) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {"image": image}))


def test_what_gains_nothing_or_is_no_graph_is_left_alone() -> None:
    assert in_whole_blocks(energies(32)) is None
    assert in_whole_blocks(b"not a graph") is None


@pytest.mark.more
@pytest.mark.parametrize("read_twice", [False, True])
@pytest.mark.parametrize("images", [1, 5])
def test_results_are_the_same(images: int, *, read_twice: bool) -> None:
    plain = energies(26, read_twice=read_twice)
    blocked = in_whole_blocks(plain)
    assert blocked is not None
    image = np.random.default_rng(1).random((images, 1, 40, 48)).astype(np.float32)
    for one, other in zip(results(plain, image), results(blocked, image), strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-6)


QUALITY = max(path for path in (ROOT / "models").glob("quality-[0-9]*"))


@pytest.mark.more
def test_the_shipped_network_gains_and_says_the_same() -> None:
    path = QUALITY / "model.onnx"
    blocked = in_whole_blocks(path)
    assert blocked is not None
    names = [node.name for node in onnx.load_model_from_string(blocked).graph.node]
    assert sum(name.endswith("/whole_blocks/cut") for name in names) == 2
    rng = np.random.default_rng(2)
    fed = {
        "global_view": rng.normal(size=(1, 1, 384, 384)).astype(np.float32),
        "crops": rng.normal(size=(3, 1, 160, 160)).astype(np.float32),
        "numbers": rng.normal(size=(1, 8)).astype(np.float32),
    }
    results = []
    for graph in (path.read_bytes(), blocked):
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        results.append(session.run(["logits", "severity", "maps"], fed))
    for one, other in zip(*results, strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-5)
