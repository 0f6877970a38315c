"""The forest as a graph scores as the forest in arrays does, and a graph that is not one is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.anomaly.forest_graph import open_forest

pytest.importorskip("onnx")
from miqa_training.forest_graph import Forest, forest_graph

WIDTH, DEPTH, TREES = 7, 5, 30


def forest(seed: int = 1) -> Forest:
    """Full trees of random cuts, whose limits are mostly no single-precision numbers."""
    rng = np.random.default_rng(seed)
    size, inner = 2 ** (DEPTH + 1) - 1, 2**DEPTH - 1
    own = np.arange(size)
    left, right = np.where(own < inner, 2 * own + 1, own), np.where(own < inner, 2 * own + 2, own)
    starts = np.arange(TREES)[:, None] * size
    return Forest(
        feature=np.where(own < inner, rng.integers(0, WIDTH, (TREES, size)), 0).ravel().astype(np.int32),
        threshold=np.where(own < inner, rng.normal(size=(TREES, size)), 0.0).ravel(),
        left=(left + starts).ravel().astype(np.int32),
        right=(right + starts).ravel().astype(np.int32),
        depth=np.where(own < inner, 0.0, rng.uniform(2, 9, (TREES, size))).ravel(),
        roots=starts.ravel().astype(np.int32),
        scale=np.array([TREES * 6.0]),
    )


def rows(grown: Forest) -> NDArray[np.float32]:
    """Random rows, and rows that lie exactly at limits, where rounding would decide."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(400, WIDTH)).astype(np.float32)
    for row in range(200):
        node = rng.integers(len(grown.left))
        values[row, grown.feature[node]] = np.float32(grown.threshold[node])
    return values


def test_scores_are_those_of_the_arrays() -> None:
    grown = forest()
    opened, judged = open_forest(forest_graph(grown, WIDTH), WIDTH), rows(grown)

    expected = grown.score(judged)

    scores = np.concatenate([opened.score(row[None]) for row in judged])
    assert np.abs(scores - expected).max() < 1e-6
    assert expected.std() > 1e-3, "a forest that says the same of everything would prove nothing"


def test_scores_are_those_of_scikit_learn() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    from miqa_training.isolation import flatten

    training = np.random.default_rng(4).normal(size=(300, WIDTH)).astype(np.float32)
    model = ensemble.IsolationForest(n_estimators=50, random_state=3).fit(training)
    opened = open_forest(forest_graph(flatten(model), WIDTH), WIDTH)

    scores = np.concatenate([opened.score(row[None]) for row in 2 * training])

    assert np.abs(scores + model.score_samples(2 * training)).max() < 1e-6


def test_the_same_forest_gives_the_same_bytes() -> None:
    assert forest_graph(forest(), WIDTH) == forest_graph(forest(), WIDTH)


def test_a_forest_for_other_features_is_refused() -> None:
    with pytest.raises(ModelPackageError, match="made for other features"):
        open_forest(forest_graph(forest(), WIDTH), WIDTH - 3)


@pytest.mark.parametrize("value", [-1, 10**6])
def test_a_forest_that_compares_what_there_is_not_is_refused(value: int) -> None:
    graph = onnx.load_from_string(forest_graph(forest(), WIDTH))
    next(a for a in graph.graph.node[0].attribute if a.name == "nodes_featureids").ints[3] = value

    with pytest.raises(ModelPackageError, match="made for other features"):
        open_forest(graph.SerializeToString(), WIDTH)


@pytest.mark.parametrize("value", [-1, 10**6])
def test_a_tree_that_points_outside_of_itself_is_refused(value: int) -> None:
    graph = onnx.load_from_string(forest_graph(forest(), WIDTH))
    next(a for a in graph.graph.node[0].attribute if a.name == "nodes_truenodeids").ints[1] = value

    with pytest.raises(ModelPackageError, match="cannot load the graph"):
        open_forest(graph.SerializeToString(), WIDTH)


def test_a_graph_with_other_names_or_values_is_refused() -> None:
    graph = onnx.load_from_string(forest_graph(forest(), WIDTH))
    graph.graph.initializer[0].float_data[0] = 0.5
    with pytest.raises(ModelPackageError, match="no scores between 0 and 1"):
        open_forest(graph.SerializeToString(), WIDTH)

    graph.graph.output[0].name = graph.graph.node[-1].output[0] = "logits"
    with pytest.raises(ModelPackageError, match="the output score"):
        open_forest(graph.SerializeToString(), WIDTH)

    with pytest.raises(ModelPackageError, match="not an ONNX graph"):
        open_forest(b"no graph", WIDTH)
