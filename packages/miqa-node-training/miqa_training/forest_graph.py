"""An Isolation Forest in flat arrays, and as an ONNX graph of three nodes, of which one holds all trees.

Liu, Ting and Zhou, "Isolation Forest", ICDM 2008: a sample that few random cuts isolate from all others is unusual.
The score is 2^(−E[h(x)] / c(ψ)), where h is the depth of the leaf that x reaches and c(ψ) the mean depth of ψ samples:
about 0.4 for ordinary samples, close to 1 for isolated ones. Equals ``-IsolationForest.score_samples`` of scikit-learn.
skl2onnx makes some 27 nodes of every tree, which for 200 trees take twenty times as long as the arrays do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from miqa_node.stages.assess.anomaly.forest_graph import INPUT, OUTPUT
from miqa_node.stages.assess.graph import IMAGES

OPSET, TREES_OPSET, IR_VERSION = 18, 3, 10
TREES = "ai.onnx.ml"
"""Domain of the operator for trees."""
MAX_DEPTH = 64
"""Maximum depth of a tree; trees grown on ψ samples have a depth of about log2(ψ)."""


@dataclass(frozen=True, slots=True)
class Forest:
    """The nodes of all trees, one after the other; a leaf is its own left and right child.

    ``feature`` int32, ``threshold`` float64, ``left`` and ``right`` int32, all (nodes,): go left if the feature is
    at most the threshold. ``depth`` float64 (nodes,): depth of this leaf plus the mean depth of a tree of the samples
    that it did not separate. ``roots`` int32 (trees,). ``scale`` float64 (1,): trees · c(ψ).
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    depth: NDArray[np.float64]
    roots: NDArray[np.int32]
    scale: NDArray[np.float64]

    def score(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores in (0, 1), shape (N,), of features, shape (N, F)."""
        # scikit-learn compares single-precision features with double-precision thresholds.
        row = features.astype(np.float32)
        samples = np.arange(len(row))[:, None]
        node = np.broadcast_to(self.roots, (len(row), len(self.roots)))
        for _ in range(MAX_DEPTH):
            below = row[samples, self.feature[node]] <= self.threshold[node]
            after = np.where(below, self.left[node], self.right[node])
            if np.array_equal(after, node):
                break
            node = after
        return np.asarray(2.0 ** (-self.depth[node].sum(axis=1) / self.scale[0]), np.float64)


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
