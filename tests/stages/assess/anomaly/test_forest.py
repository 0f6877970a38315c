"""The flat forest scores as scikit-learn does, and a file of other things than arrays is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.anomaly.arrays import load_arrays

sklearn_ensemble = pytest.importorskip("sklearn.ensemble")
WIDTH = 12


def rows(count: int, seed: int, spread: float = 1.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(scale=spread, size=(count, WIDTH))


def fitted(**how: Any) -> Any:
    training = rows(400, 1)
    training[:80] = training[0]  # leaves that hold many equal samples
    return sklearn_ensemble.IsolationForest(random_state=3, **how).fit(training.astype(np.float32))


@pytest.mark.parametrize(
    "how", [{"n_estimators": 100}, {"n_estimators": 30, "max_features": 0.5}, {"n_estimators": 5, "max_samples": 8}]
)
def test_scores_are_those_of_scikit_learn(how: dict[str, Any]) -> None:
    from miqa_training.isolation import flatten

    model = fitted(**how)
    forest = flatten(model)
    judged = np.concatenate([rows(300, 2), rows(100, 4, spread=6.0)])

    expected = -model.score_samples(judged.astype(np.float32))

    assert np.abs(forest.score(judged) - expected).max() < 1e-12
    assert np.abs(forest.score(judged[7:8]) - expected[7:8]).max() < 1e-12
    assert expected.std() > 1e-3, "a forest that says the same of everything would prove nothing"


def test_what_lies_apart_scores_higher() -> None:
    from miqa_training.isolation import grow

    forest = grow(rows(500, 1), trees=100, samples=128, seed=0)

    ordinary, apart = forest.score(rows(200, 2)), forest.score(rows(200, 3) + 8.0)

    assert apart.min() > ordinary.max()
    assert 0 < ordinary.min() < apart.max() < 1


def test_a_file_with_objects_in_it_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", forest_depth=np.array([{"a": 1}], dtype=object))

    with pytest.raises(ModelPackageError, match="plain arrays"):
        load_arrays((tmp_path / "bad.npz").read_bytes())
    with pytest.raises(ModelPackageError, match="plain arrays"):
        load_arrays(b"not an archive")
