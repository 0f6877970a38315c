"""Fisher's discriminant: what a defect changes in an image, weighed by how much images without it differ anyway.

A network that is fitted to a few sources takes what they differ in for what defects change. The discriminant knows the
covariance of images without a defect, so a direction in which they differ counts little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.platt import LEAST_LABELS, fit_scaling

SHRINKAGE = 0.3
"""Share of the mean variance in place of the covariance: there are hundreds of features and 88 pictures."""
LEAST_WEIGHT = 0.25
"""Weight of a slight defect; severe ones have 1."""
Matrix = NDArray[np.float64]


def fit_discriminant(
    scaled: Matrix, present: NDArray[np.float32], severity: NDArray[np.float32], groups: NDArray[np.bool_]
) -> tuple[Matrix, Matrix]:
    """Weights (C, F) and biases (C) that make logits of features (M, F); zero for a class with few samples.

    ``present`` (M, C) is 1, 0, or -1 where nobody knows. Images of both ``groups`` count alike, however many there are.
    """
    clean = (present == 0).all(1)
    members = [one for one in (clean & groups, clean & ~groups) if one.sum() > LEAST_LABELS]
    weights, biases = np.zeros((present.shape[1], scaled.shape[1])), np.zeros(present.shape[1])
    if not members:
        return weights, biases
    usual = np.mean([_covariance(scaled[one]) for one in members], axis=0)
    for column in range(present.shape[1]):
        made, without = present[:, column] == 1, present[:, column] == 0
        if min(made.sum(), without.sum()) < LEAST_LABELS:
            continue
        grade = np.clip(severity[made, column], LEAST_WEIGHT, 1.0)
        change = np.average(scaled[made], axis=0, weights=grade) - scaled[clean | without].mean(0)
        direction = np.linalg.solve(_shrunk((usual + _covariance(scaled[made])) / 2.0), change)
        sure = made | without
        scaling = fit_scaling(scaled[sure] @ direction, made[sure])
        if scaling is not None:
            weights[column] = direction / scaling.temperature
            biases[column] = scaling.bias / scaling.temperature
    return weights, biases


def _covariance(values: Matrix) -> Matrix:
    centred = values - values.mean(0)
    return np.asarray(centred.T @ centred / len(centred))


def _shrunk(covariance: Matrix) -> Matrix:
    mean = np.trace(covariance) / len(covariance)
    return np.asarray((1.0 - SHRINKAGE) * covariance + SHRINKAGE * mean * np.eye(len(covariance)))
