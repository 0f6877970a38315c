"""Figures of a classifier on the test part: recall first, then the rest, with intervals by patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score, roc_curve

from miqa_node.libraries.plain_statistics.bootstrap import limits_of_draws
from miqa_node.libraries.plain_statistics.platt import calibration_error
from miqa_training.classifier.calibrate import ClassifierThreshold

BOOTSTRAPS = 500
CURVE_POINTS = 101
BINS = 10


def figures_of(
    probability: NDArray[np.float64], truth: NDArray[np.int64], predictions: NDArray[np.int64], patients: Sequence[str],
    names: Sequence[str], positive: int | None, *, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Figures of one part as a card keeps them; ``positive`` is the column with a required recall, if any."""
    redraw = _Redraw(patients, seed)
    columns = range(len(names))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predictions, labels=list(columns), zero_division=0
    )
    by_label = {
        names[c]: {
            "recall": _round(recall[c]),
            "recall_95": redraw.interval(partial(_recall_of, truth, predictions, c), truth == c),
            "precision": _round(precision[c]),
            "f1": _round(f1[c]),
            "auroc": _auroc(truth == c, probability[:, c]),
            "images": int(support[c]),
        }
        for c in columns
    }
    confidence, right = probability.max(axis=1), probability.argmax(axis=1) == truth
    first = {} if positive is None else {
        "recall_first": names[positive],
        "recall": by_label[names[positive]]["recall"],
        "recall_95": by_label[names[positive]]["recall_95"],
        "precision": by_label[names[positive]]["precision"],
        "f1": by_label[names[positive]]["f1"],
        "specificity": _recall(truth != positive, predictions != positive, 1),
        "auroc": by_label[names[positive]]["auroc"],
        "auroc_95": redraw.interval(
            lambda i: _auroc(truth[i] == positive, probability[i, positive]), truth == positive, truth != positive
        ),
    }  # fmt: skip
    return {
        **first,
        "macro_recall": _round(float(recall.mean())),
        "macro_precision": _round(float(precision.mean())),
        "macro_f1": _round(float(f1.mean())),
        "accuracy": _round(float((predictions == truth).mean())),
        "accuracy_95": redraw.interval(lambda i: float((predictions[i] == truth[i]).mean())),
        "expected_calibration_error": _round(calibration_error(confidence, right)),
        "images": len(truth),
        "patients": len(set(patients)),
        "by_label": by_label,
    }


def confusion(truth: NDArray[np.int64], predictions: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """Confusion matrix. Rows: true labels; columns: predicted labels."""
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (truth, predictions), 1)
    return {"names": list(names), "counts": counts.tolist()}


def curves(probability: NDArray[np.float64], truth: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """ROC curve of each label against the rest, and the reliability of the stated confidence, for the report."""
    made = {}
    for column, name in enumerate(names):
        present = truth == column
        if present.all() or not present.any():
            continue
        fall_out, hits, _ = roc_curve(present, probability[:, column])
        made[name] = {
            "auroc": _auroc(present, probability[:, column]),
            "roc": np.interp(np.linspace(0, 1, CURVE_POINTS), fall_out, hits).round(4).tolist(),
            "roc_band": [],
            "reliability": _reliability(probability[:, column], present),
        }
    return made


def threshold_rows(
    probability: NDArray[np.float64], positive: NDArray[np.bool_], chosen: ClassifierThreshold
) -> list[dict[str, Any]]:
    """Figures at other thresholds on the test part; the chosen threshold is marked."""
    values = sorted({*np.round(np.linspace(0.1, 0.9, 9), 2).tolist(), chosen.value})
    rows = []
    for value in values:
        is_positive = probability >= value
        right = int((is_positive & positive).sum())
        rows.append(
            {
                "threshold": round(float(value), 4),
                "recall": _round(right / max(1, int(positive.sum()))),
                "precision": _round(right / max(1, int(is_positive.sum()))) if is_positive.any() else None,
                "specificity": _round(float((~is_positive)[~positive].mean())) if (~positive).any() else None,
                "chosen": value == chosen.value,
            }
        )
    return rows


class _Redraw:
    """Resamples patients, keeping the images of a patient together."""

    def __init__(self, patients: Sequence[str], seed: int) -> None:
        groups: dict[str, list[int]] = {}
        for index, patient in enumerate(patients):
            groups.setdefault(patient, []).append(index)
        self._groups = [np.array(group) for group in groups.values()]
        self._patients = np.array(patients)
        self._seed = seed

    def interval(
        self, statistic: Callable[[NDArray[np.int64]], float | None], *sides: NDArray[np.bool_]
    ) -> list[float] | None:
        """95 % interval of a statistic of indices, of these images; None if half of the draws have no value."""
        rng = np.random.default_rng(self._seed)
        values = []
        for _ in range(BOOTSTRAPS):
            drawn = rng.integers(len(self._groups), size=len(self._groups))
            value = statistic(np.concatenate([self._groups[i] for i in drawn]))
            if value is not None:
                values.append(value)
        if len(values) < BOOTSTRAPS // 2:
            return None
        trials = min((len(set(self._patients[side].tolist())) for side in sides), default=len(self._groups))
        return [_round(v) for v in limits_of_draws(values, trials)]


def _recall_of(
    truth: NDArray[np.int64], predictions: NDArray[np.int64], column: int, drawn: NDArray[np.int64]
) -> float | None:
    return _recall(truth[drawn], predictions[drawn], column)


def _recall(truth: NDArray[Any], predictions: NDArray[Any], column: int) -> float | None:
    present = truth == column
    return _round(float((predictions == column)[present].mean())) if present.any() else None


def _auroc(present: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    return None if present.all() or not present.any() else _round(float(roc_auc_score(present, score)))


def _reliability(probability: NDArray[np.float64], present: NDArray[np.bool_]) -> dict[str, Any]:
    which = np.minimum((probability * BINS).astype(int), BINS - 1)
    members = [which == b for b in range(BINS) if (which == b).any()]
    bins = [(_round(float(probability[m].mean())), _round(float(present[m].mean())), int(m.sum())) for m in members]
    return {"bins": bins, "expected_calibration_error": _round(calibration_error(probability, present))}


def _round(value: float) -> float:
    return round(float(value), 4)
