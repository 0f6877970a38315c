"""Figures of one group of radiographs: discrimination, errors at the threshold, calibration and routing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from miqa_node.libraries.plain_statistics.platt import calibration_error
from miqa_training.patients import PatientPart
from miqa_training.pneumonia.data import PneumoniaSample, Population
from miqa_training.scores import auroc, auroc_interval

FEWEST = 5
"""A group with fewer images of a label has no figures."""
DRAWS = 400

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]


def group_figures(probability: Floats, truth: Truth, patients: Sequence[str], predictions: Truth) -> dict[str, Any]:
    """Recall first; ``predictions`` are true for pneumonia; the AUROC interval resamples whole patients."""
    positives = int(truth.sum())
    shown: dict[str, Any] = {"images": len(truth), "patients": len(set(patients)), "pneumonia": positives}
    if min(positives, len(truth) - positives) < FEWEST:
        return shown
    right = int((predictions & truth).sum())
    people = np.array(patients)
    area, low, high = auroc_interval(
        probability[truth], people[truth].tolist(), probability[~truth], people[~truth].tolist()
    )
    precision = right / max(1, int(predictions.sum()))
    recall = right / positives
    shown |= {
        "recall": recall,
        "specificity": float((~predictions)[~truth].mean()),
        "precision": precision,
        "f1": 2.0 * precision * recall / max(1e-12, precision + recall),
        "accuracy": float((predictions == truth).mean()),
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
    """The ECE of such a sample if every probability is exactly right: its mean and 95th percentile.

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


def tested_figures(samples: Sequence[PneumoniaSample], logits: NDArray[np.float32]) -> dict[str, float]:
    """AUROC of a network's logits, (N, 2) in the order of the samples, on each group of the test."""
    score = (logits[:, 1] - logits[:, 0]).astype(np.float64)
    tests = [n for n, s in enumerate(samples) if s.part is PatientPart.TEST]
    adults = [n for n in tests if samples[n].population is Population.ADULTS]
    groups = {
        "children": [n for n in tests if samples[n].population is Population.CHILDREN],
        "adults": adults,
        "adults, radiologists' labels": [n for n in adults if samples[n].strong],
        "adults of further hospitals": [n for n, s in enumerate(samples) if s.part is PatientPart.ELSEWHERE],
    }
    shown = {}
    for group, indices in groups.items():
        truth = np.array([samples[n].pneumonia for n in indices], bool)
        if truth.any() and not truth.all():
            values = score[indices]
            shown[f"AUROC on {group}"] = round(auroc(values[truth], values[~truth]), 4)
    return shown


def member_figures(
    samples: Sequence[PneumoniaSample], logits: Mapping[str, NDArray[np.float32]], probability: Floats
) -> dict[str, dict[str, float]]:
    """Figures of each member alone, and of the ensemble's probability."""
    together = np.stack([np.zeros(len(probability)), np.log(probability) - np.log1p(-probability)], 1)
    rows = {name: tested_figures(samples, values) for name, values in logits.items()}
    return {**rows, "ensemble": tested_figures(samples, together.astype(np.float32))}
