"""Scores features with an Isolation Forest stored in flat arrays; needs neither scikit-learn nor pickle.

Liu, Ting and Zhou, "Isolation Forest", ICDM 2008: a sample that few random cuts isolate from all others is unusual.
The score is 2^(−E[h(x)] / c(ψ)), where h is the depth of the leaf that x reaches and c(ψ) the mean depth of ψ samples:
about 0.4 for ordinary samples, close to 1 for isolated ones. Equals ``-IsolationForest.score_samples`` of scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.anomaly.arrays import Arrays, take

MAX_DEPTH = 64
"""Maximum depth of a tree; trees grown on ψ samples have a depth of about log2(ψ)."""
PREFIX = "forest_"


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

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that :func:`read_forest` reads."""
        return {f"{PREFIX}{field.name}": getattr(self, field.name) for field in fields(self)}


def read_forest(arrays: Arrays, width: int) -> Forest:
    """The forest in the arrays of a file, for ``width`` features.

    Raises
    ------
    ModelPackageError
        An array is missing, or an index points outside the other arrays.
    """
    nodes = len(take(arrays, f"{PREFIX}depth", "f", (None,)))
    forest = Forest(
        feature=take(arrays, f"{PREFIX}feature", "i", (nodes,)).astype(np.int32),
        threshold=take(arrays, f"{PREFIX}threshold", "f", (nodes,)).astype(np.float64),
        left=take(arrays, f"{PREFIX}left", "i", (nodes,)).astype(np.int32),
        right=take(arrays, f"{PREFIX}right", "i", (nodes,)).astype(np.int32),
        depth=take(arrays, f"{PREFIX}depth", "f", (nodes,)).astype(np.float64),
        roots=take(arrays, f"{PREFIX}roots", "i", (None,)).astype(np.int32),
        scale=take(arrays, f"{PREFIX}scale", "f", (1,)).astype(np.float64),
    )
    limits = ((forest.feature, width), (forest.left, nodes), (forest.right, nodes), (forest.roots, nodes))
    for values, limit in limits:
        if not values.size or int(values.min()) < 0 or int(values.max()) >= limit:
            raise ModelPackageError("the anomaly file's forest points outside of itself or of the features.")
    if forest.scale[0] <= 0:
        raise ModelPackageError("the anomaly file's forest has no positive scale.")
    return forest
