"""Chooses temperature (calibrated confidence) and threshold (required recall) on the validation part."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]
TEMPERATURES = (0.05, 20.0)
LEAST_THRESHOLD, MOST_THRESHOLD = 1e-4, 1.0 - 1e-4


@dataclass(frozen=True, slots=True)
class ClassifierThreshold:
    """The positive label applies from ``value`` on; ``recall`` and ``precision`` are those of the validation part."""

    value: float
    recall: float
    precision: float


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """The maximum-likelihood temperature (Guo et al., ICML 2017); every label has the same weight."""
    weights = 1.0 / np.bincount(labels, minlength=logits.shape[1])[labels]

    def loss(log_temperature: float) -> float:
        likely = softmax(logits / math.exp(log_temperature))[np.arange(len(labels)), labels]
        return float(-(weights * np.log(np.maximum(likely, 1e-12))).sum() / weights.sum())

    low, high = (math.log(limit) for limit in TEMPERATURES)
    return math.exp(float(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def threshold_for_recall(probability: Floats, positive: NDArray[np.bool_], target: float) -> ClassifierThreshold:
    """The highest threshold at which at least ``target`` of the positive images are found.

    It lies halfway to the next lower probability, so that rounding does not lose an image at the limit.
    """
    descending = np.sort(probability[positive])[::-1]
    needed = math.ceil(target * len(descending) - 1e-9)
    edge = float(descending[needed - 1])
    below = probability[probability < edge]
    value = (edge + float(below.max())) / 2.0 if below.size else edge / 2.0
    value = min(max(value, LEAST_THRESHOLD), MOST_THRESHOLD)
    is_positive = probability >= value
    right = int((is_positive & positive).sum())
    return ClassifierThreshold(value, right / int(positive.sum()), right / max(1, int(is_positive.sum())))


def softmax(logits: Floats) -> Floats:
    """Probabilities of each row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
