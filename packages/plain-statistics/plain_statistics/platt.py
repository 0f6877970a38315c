"""Calibrates a head's probability by Platt scaling with a temperature, and measures the remaining error.

J. Platt (1999), with the targets and the Newton method of H.-T. Lin, C.-J. Lin, R. C. Weng, Machine Learning 68 (2007)
267–276; expected calibration error with bins of equal mass after V. Kumar et al., NeurIPS 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_LABELS = 20
"""With fewer labels of either kind a head keeps its card's calibration."""
MOST_ITERATIONS = 100
TOLERANCE = 1e-10
ECE_BINS = 10
LOGIT_LIMIT = 36.0
"""Beyond this logit a probability in double precision is 0 or 1."""
RIDGE = 1e-9


@dataclass(frozen=True, slots=True)
class Scaling:
    """probability = 1 / (1 + exp(−(logit + bias) / temperature))."""

    temperature: float
    bias: float

    def probability(self, logit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of raw logits, any shape."""
        return sigmoid((logit + self.bias) / self.temperature)

    def logit(self, probability: float) -> float:
        """The raw logit of a calibrated probability; the calibrated logit is limited to ±36."""
        return logit(probability) * self.temperature - self.bias


def fit_scaling(logits: NDArray[np.float64], present: NDArray[np.bool_]) -> Scaling | None:
    """The scaling of maximum likelihood; None if labels are few, or higher logits do not mean higher probability."""
    positives = int(present.sum())
    negatives = len(present) - positives
    if min(positives, negatives) < LEAST_LABELS:
        return None
    target = np.where(present, (positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0))
    centre, width = float(logits.mean()), float(logits.std()) or 1.0
    values = (logits - centre) / width
    slope, intercept = 0.0, math.log((positives + 1.0) / (negatives + 1.0))
    for _ in range(MOST_ITERATIONS):
        fitted = sigmoid(slope * values + intercept)
        error = fitted - target
        weight = fitted * (1.0 - fitted)
        gradient = np.array([(error * values).sum(), error.sum()])
        cross = (weight * values).sum()
        curvature = np.array([[(weight * values**2).sum(), cross], [cross, weight.sum()]]) + RIDGE * np.eye(2)
        change = np.linalg.solve(curvature, gradient)
        change *= _step(values, target, slope, intercept, change)
        slope, intercept = slope - float(change[0]), intercept - float(change[1])
        if float(np.abs(change).max()) < TOLERANCE:
            break
    if slope <= 0.0:
        return None
    temperature = width / slope
    return Scaling(temperature, intercept * temperature - centre)


def calibration_error(probability: NDArray[np.float64], present: NDArray[np.bool_]) -> float:
    """Mean distance of probability and observed share over ten bins of equal mass, weighted by their size."""
    order = np.argsort(probability, kind="stable")
    bins = [part for part in np.array_split(order, ECE_BINS) if part.size]
    gaps = (abs(float(probability[part].mean()) - float(present[part].mean())) * part.size for part in bins)
    return sum(gaps) / max(1, len(probability))


def sigmoid(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(−value)), without overflow."""
    clipped = np.clip(value, -LOGIT_LIMIT, LOGIT_LIMIT)
    return np.asarray(1.0 / (1.0 + np.exp(-clipped)))


def expit(value: float) -> float:
    """1 / (1 + exp(−value)) of one number."""
    return 1.0 / (1.0 + math.exp(-max(-LOGIT_LIMIT, min(LOGIT_LIMIT, value))))


def logit(probability: float) -> float:
    """ln(p / (1 − p)), limited to ±36."""
    if probability <= 0.0:
        return -LOGIT_LIMIT
    if probability >= 1.0:
        return LOGIT_LIMIT
    return max(-LOGIT_LIMIT, min(LOGIT_LIMIT, math.log(probability) - math.log1p(-probability)))


def _step(
    values: NDArray[np.float64],
    target: NDArray[np.float64],
    slope: float,
    intercept: float,
    change: NDArray[np.float64],
) -> float:
    """The largest of 1, 1/2, 1/4 … of the Newton step that does not lower the likelihood."""

    def loss(share: float) -> float:
        line = (slope - share * change[0]) * values + intercept - share * change[1]
        return float((np.logaddexp(0.0, line) - target * line).sum())

    now, share = loss(0.0), 1.0
    while share > 1e-10 and loss(share) > now:
        share /= 2.0
    return share
