"""The classical models of one table: logistic regression, additive regression, support vectors, random forest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from miqa_node.errors import SettingsError
from miqa_training.classical.basis import KNOTS, MeasurementScale, hinges
from miqa_training.classical.table import FeatureTable
from miqa_training.samples import CLASSES

RIDGE = 3.0
ABSENT_WEIGHT = 0.15
"""Weight of samples without the defect when its severity is fitted, as in the network's loss."""
TREES, LEAF = 200, 3
SHIPPED = "lr"
"""The kind that is packaged: the simplest; on held-out patients it is within .001 of the best."""


class ModelHead(Protocol):
    """Scores rows (N, ·) for one class, shape (N,), on any monotone scale."""

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores."""


@dataclass(frozen=True, slots=True)
class LinearHead:
    """weights · row + bias."""

    weights: NDArray[np.float64]
    bias: float

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores."""
        return np.asarray(rows @ self.weights + self.bias, np.float64)


@dataclass(frozen=True, slots=True)
class ClassicalModel:
    """One kind of model with a head per class; ``severity`` holds a linear head per class.

    With ``bends`` the heads use the hinges of :mod:`.basis`, otherwise the standardised measurements.
    """

    name: str
    scale: MeasurementScale
    heads: tuple[ModelHead, ...]
    severity: tuple[LinearHead, ...]
    bends: bool
    fit_s: float

    def judge(self, features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits and severities in [0, 1], both (N, C), of a table (N, F)."""
        z = self.scale.standardise(features)
        rows = hinges(z) if self.bends else z
        logits = np.stack([head(rows) for head in self.heads], axis=1)
        severity = np.stack([np.clip(head(rows), 0.0, 1.0) for head in self.severity], axis=1)
        return logits.astype(np.float32), severity.astype(np.float32)


def fit_model(name: str, table: FeatureTable, seed: int) -> ClassicalModel:
    """Fit one of KINDS to a table; the same seed gives the same model.

    SettingsError when the table is too small to hold every class.
    """
    started = time.perf_counter()
    fit, bends = KINDS[name]
    scale = MeasurementScale.of(table.features)
    z = scale.standardise(table.features)
    rows = hinges(z) if bends else z
    heads, severity = [], []
    with threadpool_limits(1):  # for small matrices threads cost time and change the order of sums
        for column in range(len(CLASSES)):
            labelled = table.present[:, column] >= 0
            if len(np.unique(table.present[labelled, column])) < 2:
                raise SettingsError(f"{len(labelled)} samples show no {CLASSES[column]}, or nothing else: take more.")
            heads.append(fit(rows[labelled], table.present[labelled, column] > 0, seed))
            severity.append(_fit_severity(rows, table.severity[:, column]))
    return ClassicalModel(name, scale, tuple(heads), tuple(severity), bends, time.perf_counter() - started)


def curves(head: ModelHead, *, bends: bool) -> tuple[NDArray[np.float64], float]:
    """A linear head as hinge weights by measurement, shape (F, K), and a bias; a straight line is one hinge.

    TypeError if the head is not a sum over measurements.
    """
    if not isinstance(head, LinearHead):
        msg = "only logistic regressions and linear support vectors are sums over measurements"
        raise TypeError(msg)
    if bends:
        return head.weights.reshape(-1, len(KNOTS)), head.bias
    weights = np.zeros((len(head.weights), len(KNOTS)))
    weights[:, 0] = head.weights  # max(0, z − knot) is z − knot above the lowest knot, where all of z lies
    return weights, head.bias + KNOTS[0] * float(head.weights.sum())


def _logistic(rows: NDArray[np.float32], targets: NDArray[np.bool_], seed: int) -> ModelHead:
    return _linear(LogisticRegression(C=1.0, class_weight="balanced", max_iter=3000, random_state=seed), rows, targets)


def _additive(rows: NDArray[np.float32], targets: NDArray[np.bool_], seed: int) -> ModelHead:
    """Logistic regression on hinges: an additive model with one curve per measurement.

    Hastie and Tibshirani, Statistical Science 1 (1986), with piecewise linear curves (Friedman 1991).
    """
    return _linear(LogisticRegression(C=0.3, class_weight="balanced", max_iter=5000, random_state=seed), rows, targets)


def _linear_svm(rows: NDArray[np.float32], targets: NDArray[np.bool_], seed: int) -> ModelHead:
    return _linear(LinearSVC(C=0.3, class_weight="balanced", max_iter=20000, random_state=seed), rows, targets)


def _rbf_svm(rows: NDArray[np.float32], targets: NDArray[np.bool_], seed: int) -> ModelHead:
    fitted = SVC(C=3.0, kernel="rbf", gamma="scale", class_weight="balanced", random_state=seed).fit(rows, targets)
    return _scored(fitted.decision_function)


def _forest(rows: NDArray[np.float32], targets: NDArray[np.bool_], seed: int) -> ModelHead:
    fitted = RandomForestClassifier(
        TREES, min_samples_leaf=LEAF, class_weight="balanced_subsample", random_state=seed, n_jobs=1
    ).fit(rows, targets)

    def log_odds(some: NDArray[np.float32]) -> NDArray[np.float64]:
        share = np.clip(fitted.predict_proba(some)[:, 1], 1e-3, 1.0 - 1e-3)
        return np.asarray(np.log(share / (1.0 - share)), np.float64)

    return _scored(log_odds)


def _linear(estimator: Any, rows: NDArray[np.float32], targets: NDArray[np.bool_]) -> LinearHead:
    fitted = estimator.fit(rows.astype(np.float64), targets)
    return LinearHead(np.asarray(fitted.coef_[0], np.float64), float(fitted.intercept_[0]))


def _scored(function: Callable[[NDArray[np.float32]], Any]) -> ModelHead:
    def head(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(function(rows), np.float64)

    return head


def _fit_severity(rows: NDArray[np.float32], targets: NDArray[np.float32]) -> LinearHead:
    labelled = targets >= 0
    weight = np.where(targets[labelled] > 0, 1.0, ABSENT_WEIGHT)
    fitted = Ridge(RIDGE).fit(rows[labelled].astype(np.float64), targets[labelled], sample_weight=weight)
    return LinearHead(np.asarray(fitted.coef_, np.float64), float(fitted.intercept_))


KINDS: Mapping[str, tuple[Callable[[NDArray[np.float32], NDArray[np.bool_], int], ModelHead], bool]] = {
    "lr": (_logistic, False),
    "additive": (_additive, True),
    "svm-linear": (_linear_svm, False),
    "svm-rbf": (_rbf_svm, False),
    "forest": (_forest, False),
}
"""How each kind is fitted, and whether it uses the hinges or the standardised measurements."""
