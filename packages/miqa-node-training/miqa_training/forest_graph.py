"""Writes an Isolation Forest as an ONNX graph of three nodes, of which one holds all trees.

skl2onnx makes some 27 nodes of every tree, which for 200 trees take twenty times as long as the arrays did.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from miqa_node.stages.assess.anomaly.forest import Forest
from miqa_node.stages.assess.anomaly.forest_graph import INPUT, OUTPUT
from miqa_node.stages.assess.graph import IMAGES

OPSET, TREES_OPSET, IR_VERSION = 18, 3, 10
TREES = "ai.onnx.ml"
"""Domain of the operator for trees."""


def forest_graph(forest: Forest, width: int) -> bytes:
    """The graph of a forest of ``width`` features: the score 2^(−depth / scale) of each row."""
    nodes = [
        _trees(forest),
        helper.make_node("Mul", ["depth", "factor"], ["exponent"]),
        helper.make_node("Pow", ["two", "exponent"], [OUTPUT]),
    ]
    made = helper.make_graph(
        nodes,
        "forest",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [IMAGES, width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [IMAGES, 1])],
        [
            helper.make_tensor("factor", TensorProto.FLOAT, [1], [-1.0 / float(forest.scale[0])]),
            helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0]),
        ],
    )
    operators = [helper.make_opsetid("", OPSET), helper.make_opsetid(TREES, TREES_OPSET)]
    graph = helper.make_model(made, opset_imports=operators, ir_version=IR_VERSION, producer_name="miqa-node")
    onnx.checker.check_model(graph)
    written: bytes = graph.SerializeToString()
    return written


def _trees(forest: Forest) -> onnx.NodeProto:
    """The operator that adds the depths of the leaves that a row reaches in all trees."""
    nodes = np.arange(len(forest.left))
    is_leaf = forest.left == nodes
    tree = np.searchsorted(forest.roots, nodes, side="right") - 1
    first = forest.roots[tree]
    leaves = np.flatnonzero(is_leaf)
    return helper.make_node(
        "TreeEnsembleRegressor", [INPUT], ["depth"], domain=TREES, n_targets=1, aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=tree.tolist(), nodes_nodeids=(nodes - first).tolist(), nodes_featureids=forest.feature.tolist(),
        nodes_modes=["LEAF" if leaf else "BRANCH_LEQ" for leaf in is_leaf],
        nodes_values=_rounded_down(forest.threshold).tolist(),
        nodes_truenodeids=np.where(is_leaf, 0, forest.left - first).tolist(),
        nodes_falsenodeids=np.where(is_leaf, 0, forest.right - first).tolist(),
        target_treeids=tree[leaves].tolist(), target_nodeids=(leaves - first[leaves]).tolist(),
        target_ids=[0] * len(leaves), target_weights=forest.depth[leaves].tolist(),
    )  # fmt: skip


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest single-precision numbers not above the thresholds: of such numbers, as many lie at most there."""
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
