"""Builds the node's anomaly model: an Isolation Forest of scikit-learn in flat arrays, and a small memory of places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from miqa_node.stages.assess.anomaly.features import Projection
from miqa_training.forest_graph import Forest

EULER_GAMMA = 0.5772156649015329


def grow(features: NDArray[np.float64], *, trees: int, samples: int, seed: int) -> Forest:
    """Fit a forest to rows of features, shape (N, F)."""
    model = IsolationForest(n_estimators=trees, max_samples=min(samples, len(features)), random_state=seed)
    return flatten(model.fit(features.astype(np.float32)))


def flatten(model: IsolationForest) -> Forest:
    """The trees of a fitted forest one after the other; leaves become their own children."""
    parts: list[dict[str, NDArray[np.generic]]] = []
    roots, start = [], 0
    for tree, chosen in zip(model.estimators_, model.estimators_features_, strict=True):
        nodes = tree.tree_
        own = np.arange(nodes.node_count) + start
        leaf = nodes.children_left < 0
        parts.append({
            "feature": np.where(leaf, 0, np.asarray(chosen)[np.where(leaf, 0, nodes.feature)]),
            "threshold": np.where(leaf, 0.0, nodes.threshold),
            "left": np.where(leaf, own, nodes.children_left + start),
            "right": np.where(leaf, own, nodes.children_right + start),
            "depth": _levels(nodes.children_left, nodes.children_right) + mean_depth(nodes.n_node_samples),
        })  # fmt: skip
        roots.append(start)
        start += nodes.node_count
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    scale = len(roots) * mean_depth(np.array([model.max_samples_]))
    return Forest(
        feature=joined["feature"].astype(np.int32),
        threshold=joined["threshold"].astype(np.float64),
        left=joined["left"].astype(np.int32),
        right=joined["right"].astype(np.int32),
        depth=joined["depth"].astype(np.float64),
        roots=np.array(roots, np.int32),
        scale=scale,
    )


def mean_depth(samples: NDArray[np.integer]) -> NDArray[np.float64]:
    """c(n), the mean depth of an unsuccessful search in a binary tree of n samples (Liu et al. 2008, equation 1)."""
    count = np.asarray(samples, np.float64)
    many = np.maximum(count, 3.0) - 1.0
    depth = 2.0 * (np.log(many) + EULER_GAMMA) - 2.0 * many / (many + 1.0)
    return np.where(count <= 1, 0.0, np.where(count == 2, 1.0, depth))


def principal_components(rows: NDArray[np.float64], count: int) -> Projection:
    """The first components, each scaled to variance 1, so that the forest cuts along all of them alike."""
    mean = rows.mean(axis=0)
    _, strength, axes = np.linalg.svd(rows - mean, full_matrices=False)
    rank = min(count, int((strength > 1e-6 * strength[0]).sum()))
    components = axes[:rank].T * (np.sqrt(len(rows) - 1.0) / strength[:rank])
    return Projection(mean.astype(np.float32), components.astype(np.float32))


def coreset(places: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """A coreset of the rows: greedily adds the farthest row (Sener and Savarese, ICLR 2018)."""
    count = min(count, len(places))
    chosen = [0]
    distance = np.full(len(places), np.inf, np.float32)
    while len(chosen) < count:
        distance = np.minimum(distance, ((places - places[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(distance.argmax()))
    return places[chosen]


def _levels(left: NDArray[np.integer], right: NDArray[np.integer]) -> NDArray[np.float64]:
    """Number of cuts above each node of one tree; children come after their parents."""
    levels = np.zeros(len(left))
    for node in range(len(left)):
        if left[node] >= 0:
            levels[[left[node], right[node]]] = levels[node] + 1.0
    return levels
