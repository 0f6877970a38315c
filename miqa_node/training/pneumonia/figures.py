"""Figures of one group of radiographs: discrimination, errors at the threshold, calibration, and what routing does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from miqa_node.assess.platt import calibration_error
from miqa_node.training.scores import auroc_interval

FEWEST = 5
"""A group with fewer images of a label has no figures."""
DRAWS = 400

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]


def group_figures(probability: Floats, truth: Truth, patients: Sequence[str], threshold: float) -> dict[str, Any]:
    """Recall first; the interval of the AUROC draws whole patients with replacement."""
    positives = int(truth.sum())
    shown: dict[str, Any] = {"images": len(truth), "patients": len(set(patients)), "pneumonia": positives}
    if min(positives, len(truth) - positives) < FEWEST:
        return shown
    said = probability >= threshold
    right = int((said & truth).sum())
    people = np.array(patients)
    area, low, high = auroc_interval(
        probability[truth], people[truth].tolist(), probability[~truth], people[~truth].tolist()
    )
    precision = right / max(1, int(said.sum()))
    recall = right / positives
    shown |= {
        "recall": recall,
        "specificity": float((~said)[~truth].mean()),
        "precision": precision,
        "f1": 2.0 * precision * recall / max(1e-12, precision + recall),
        "accuracy": float((said == truth).mean()),
        "auroc": area,
        "auroc_low": low,
        "auroc_high": high,
        "average_precision": float(average_precision_score(truth, probability)),
        "ece": calibration_error(probability, truth),
        **perfect(probability),
        "brier": float(((probability - truth) ** 2).mean()),
    }
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in shown.items()}


def perfect(probability: Floats) -> dict[str, float]:
    """The ECE that so many images show when every probability is exactly right: its mean, and what 95 % stay below.

    Ten bins of few images each differ from their mean by chance; no ECE below this can be shown with them.
    """
    rng = np.random.default_rng(0)
    drawn = [calibration_error(probability, rng.random(len(probability)) < probability) for _ in range(DRAWS)]
    return {"ece_if_perfect": float(np.mean(drawn)), "ece_if_perfect_high": float(np.quantile(drawn, 0.95))}


def routing_figures(automated: Truth, right: Truth) -> dict[str, Any]:
    """How many predictions are automated, and how many of those are wrong."""
    count = int(automated.sum())
    wrong = int((automated & ~right).sum())
    return {
        "images": len(automated),
        "automated": count,
        "automated_share": round(count / max(1, len(automated)), 4),
        "automated_errors": wrong,
        "automated_error_share": round(wrong / count, 4) if count else None,
        "error_share_of_all": round(float((~right).mean()), 4),
    }
