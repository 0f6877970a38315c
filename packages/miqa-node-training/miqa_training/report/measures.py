"""Computes the figures of a report: ROC and precision-recall curves with intervals, confusion, calibration, groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_node.libraries.plain_statistics.bootstrap import limits_of_draws
from miqa_node.libraries.plain_statistics.platt import calibration_error
from miqa_training.evaluate import LEVELS, MARKED, EvaluationCases
from miqa_training.samples import COLUMN, OBJECTS
from miqa_training.scores import JudgedCase, auroc, auroc_interval

CURVE_POINTS = 101
"""Number of evenly spaced false-positive rates (or recalls) at which curves are sampled."""
ROUNDS = 200
"""Bootstrap rounds, whole patients drawn with replacement."""
BINS = 10
FEWEST = 5
"""Groups with fewer positives or negatives get no figure."""
NOTHING = "none"
"""Row and column of confusion matrices for images without a simulated or stated defect."""

Floats = NDArray[np.float64]
Score = Callable[[JudgedCase], float]


def positives(judged: EvaluationCases, finding: FindingName, least: float = MARKED) -> list[JudgedCase]:
    """Simulated cases of a finding with at least this severity."""
    return [c for c in judged.simulated if c.made == finding and c.level >= least]


def negatives(judged: EvaluationCases, finding: FindingName) -> list[JudgedCase]:
    """Unchanged images; for objects and devices only those in which a reader found none."""
    return [c for c in judged.clean if finding not in OBJECTS or c.record.has(finding) is False]


def labelled(judged: EvaluationCases, finding: FindingName) -> tuple[list[JudgedCase], NDArray[np.bool_]]:
    """All images with the truth of one finding, in the mixture used for calibration.

    Images with other defects count as free of it. An image not annotated for real objects is left out, and so is the
    case of another finding of an image that readers labelled with both.
    """
    cases, present = [], []
    for case in [*judged.clean, *judged.simulated]:
        truth: bool | None = case.made == finding
        if not truth and finding in (case.record.findings or ()):
            continue
        if finding in OBJECTS and not truth:
            truth = case.record.has(finding)
        if truth is not None:
            cases.append(case)
            present.append(truth)
    return cases, np.array(present, bool)


def scores(cases: Sequence[JudgedCase], column: int) -> Floats:
    """Logits of one class."""
    return np.array([c.logits[column] for c in cases], np.float64)


def patients(cases: Sequence[JudgedCase]) -> list[str]:
    """The patient of each image."""
    return [c.record.patient for c in cases]


def finding_curves(judged: EvaluationCases, finding: FindingName) -> dict[str, Any]:
    """ROC, precision-recall and AUROC by severity and source of one finding."""
    column = COLUMN[finding]
    bad, good = positives(judged, finding), negatives(judged, finding)
    curve = curves(scores(bad, column), patients(bad), scores(good, column), patients(good))
    levels = {
        str(level): interval([c for c in judged.simulated if c.made == finding and c.level == level], good, column)
        for level in LEVELS
    }
    sources = sorted({c.record.source for c in judged.clean})
    return curve | {
        "by_severity": levels,
        "by_source": {s: interval(_of_source(bad, s), _of_source(good, s), column) for s in sources},
    }


def curves(
    positive: Floats, positive_patients: Sequence[str], negative: Floats, negative_patients: Sequence[str]
) -> dict[str, Any]:
    """ROC and precision-recall curve with 95 % bands, AUROC and average precision with intervals.

    Precision is valid only for the share of positives among these images, given as ``prevalence``.
    """
    value, low, high = auroc_interval(positive, positive_patients, negative, negative_patients, rounds=2 * ROUNDS)
    names = sorted({*positive_patients, *negative_patients})
    place = {name: index for index, name in enumerate(names)}
    of_positive = np.array([place[p] for p in positive_patients], int)
    of_negative = np.array([place[p] for p in negative_patients], int)
    rng = np.random.default_rng(0)
    rocs, recalls, averages = [], [], []
    for _ in range(ROUNDS):
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        some, others = np.repeat(positive, times[of_positive]), np.repeat(negative, times[of_negative])
        if some.size and others.size:
            rocs.append(roc(some, others))
            precision, average = precision_recall(some, others)
            recalls.append(precision)
            averages.append(average)
    precision, average = precision_recall(positive, negative)
    return {
        "positives": len(positive),
        "negatives": len(negative),
        "prevalence": _round(len(positive) / max(len(positive) + len(negative), 1)),
        "auroc": _round(value),
        "auroc_interval": [_round(low), _round(high)],
        "average_precision": _round(average),
        "average_precision_interval": _limits(averages, min(len(set(positive_patients)), len(set(negative_patients)))),
        "recall_at_95_specificity": _round(float(np.mean(positive > np.quantile(negative, 0.95)))),
        "roc": _rounded(roc(positive, negative)),
        "roc_band": _band(rocs),
        "precision": _rounded(precision),
        "precision_band": _band(recalls),
    }


def roc(positive: Floats, negative: Floats) -> Floats:
    """True-positive rate at CURVE_POINTS evenly spaced false-positive rates from 0 to 1."""
    order = np.unique(np.concatenate([positive, negative]))[::-1]
    true = 1.0 - np.searchsorted(np.sort(positive), order, "left") / positive.size
    false = 1.0 - np.searchsorted(np.sort(negative), order, "left") / negative.size
    at = np.linspace(0, 1, CURVE_POINTS)
    return np.asarray(np.interp(at, np.concatenate([[0.0], false]), np.concatenate([[0.0], true])), np.float64)


def precision_recall(positive: Floats, negative: Floats) -> tuple[Floats, float]:
    """Precision at CURVE_POINTS recalls from 0 to 1, and average precision (the area of its steps)."""
    order = np.unique(positive)[::-1]
    hits = positive.size - np.searchsorted(np.sort(positive), order, "left")
    false = negative.size - np.searchsorted(np.sort(negative), order, "left")
    recall, precision = hits / positive.size, hits / (hits + false)
    average = float(np.sum(np.diff(np.concatenate([[0.0], recall])) * precision))
    at = np.minimum(np.searchsorted(recall, np.linspace(0, 1, CURVE_POINTS), "left"), len(recall) - 1)
    return precision[at], average


def interval(bad: Sequence[JudgedCase], good: Sequence[JudgedCase], column: int) -> dict[str, Any]:
    """AUROC of two groups with its 95 % interval by patient; no interval if a group is too small."""
    few = min(len(bad), len(good)) < FEWEST
    value, low, high = (
        (auroc(scores(bad, column), scores(good, column)), float("nan"), float("nan"))
        if few
        else auroc_interval(scores(bad, column), patients(bad), scores(good, column), patients(good), rounds=ROUNDS)
    )
    return {
        "auroc": _round(value),
        "interval": None if few else [_round(low), _round(high)],
        "positives": len(bad),
        "negatives": len(good),
    }


def classification(bad: Floats, good: Floats, threshold: float) -> dict[str, Any]:
    """Counts and rates at the operating point; ``bad`` and ``good`` are calibrated probabilities."""
    tp, fp = int(np.sum(bad >= threshold)), int(np.sum(good >= threshold))
    fn, tn = len(bad) - tp, len(good) - fp
    return {
        "threshold": round(float(threshold), 4),
        "true_positive": tp,
        "false_positive": fp,
        "false_negative": fn,
        "true_negative": tn,
        "accuracy": _share(tp + tn, tp + tn + fp + fn),
        "precision_at_point": _share(tp, tp + fp),
        "recall": _share(tp, tp + fn),
        "specificity": _share(tn, tn + fp),
        "f1": _share(2 * tp, 2 * tp + fp + fn),
    }


def confusion(
    judged: EvaluationCases, probability: Callable[[NDArray[np.floating]], Floats], thresholds: Floats
) -> dict[str, Any]:
    """Simulated finding (rows, marked severities) against the finding furthest above its operating point (columns)."""
    names = list(defect_names())
    rows = [*names, NOTHING]
    counts = {row: dict.fromkeys(rows, 0) for row in rows}
    clean = [c for c in judged.clean if c.record.has_real_object is not True]
    marked = [c for c in judged.simulated if c.level >= MARKED]
    for case in [*clean, *marked]:
        over = probability(case.logits)[: len(names)] - thresholds[: len(names)]
        best = int(np.argmax(over))
        counts[case.made or NOTHING][names[best] if over[best] >= 0 else NOTHING] += 1
    return {"names": rows, "counts": [[counts[row][column] for column in rows] for row in rows]}


def reliability(probability: Floats, present: NDArray[np.bool_]) -> dict[str, Any]:
    """Stated against observed share in ten equal bins, the expected calibration error and the Brier score."""
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    parts = [bins == b for b in range(BINS) if (bins == b).any()]
    rows = [[_round(float(probability[p].mean())), _round(float(present[p].mean())), int(p.sum())] for p in parts]
    error = calibration_error(probability, present)
    brier = float(np.mean((probability - present) ** 2)) if probability.size else float("nan")
    return {"bins": rows, "expected_calibration_error": _round(error), "brier": _round(brier)}


def by_population(judged: EvaluationCases, population: Mapping[str, str]) -> dict[str, Any]:
    """Mean AUROC over the findings, separately for adults and children; ``population`` by file name."""
    figures: dict[str, Any] = {}
    for name in sorted({population.get(c.record.path.name, "") or "unknown" for c in judged.clean}):
        values = []
        for finding in defect_names():
            bad, good = (
                [c for c in cases if (population.get(c.record.path.name, "") or "unknown") == name]
                for cases in (positives(judged, finding), negatives(judged, finding))
            )
            if min(len(bad), len(good)) >= FEWEST:
                values.append(auroc(scores(bad, COLUMN[finding]), scores(good, COLUMN[finding])))
        images = sum((population.get(c.record.path.name, "") or "unknown") == name for c in judged.clean)
        figures[name] = {"images": images, "mean_auroc": _round(float(np.mean(values))) if values else None}
    return figures


def _of_source(cases: Sequence[JudgedCase], source: str) -> list[JudgedCase]:
    return [c for c in cases if c.record.source == source]


def _share(part: int, whole: int) -> float | None:
    return _round(part / whole) if whole else None


def _limits(values: Sequence[float], patients: int) -> list[float | None]:
    return [_round(v) for v in limits_of_draws(values, patients)]


def _band(values: Sequence[Floats]) -> list[list[float | None]]:
    return [_rounded(edge) for edge in np.percentile(values, (2.5, 97.5), axis=0)] if values else []


def _rounded(values: NDArray[np.floating]) -> list[float | None]:
    return [_round(float(v)) for v in values]


def _round(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 3)
