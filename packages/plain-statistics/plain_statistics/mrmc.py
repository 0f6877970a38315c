"""Multi-reader multi-case analysis: whether readers judge better with the node's verdict beside the image.

Uses the Obuchowski–Rockette method for two readings of the same images by the same readers (N. A. Obuchowski and
H. E. Rockette, Commun. Stat. Simul. Comput. 24 (1995) 285–308) with the degrees of freedom of S. L. Hillis (Stat. Med.
26 (2007) 596–619). Readers and images are random; covariances come from the jackknife over images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Scores = NDArray[np.float64]
Truth = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AreaUnderCurve:
    """The area under a ROC curve with its limits; None if one of the two classes has too few images."""

    area: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ReaderVariance:
    """Mean squares and covariances of the Obuchowski–Rockette model.

    ``ms_reading``: of the two readings; ``ms_interaction``: of readings and readers; ``cov2``: between readers within a
    reading; ``cov3``: between readers and readings.
    """

    ms_reading: float
    ms_interaction: float
    cov2: float
    cov3: float
    readers: int


@dataclass(frozen=True, slots=True)
class ReadingDifference:
    """Second minus first reading: mean areas, their difference with its limits, and the two-sided p value."""

    areas: tuple[float, float]
    difference: float
    low: float
    high: float
    p_value: float
    degrees_of_freedom: float


def area_under_curve(scores: Scores, truth: Truth, confidence: float = 0.95) -> AreaUnderCurve:
    """Empirical area with jackknife limits; ``scores`` and ``truth`` (n,), higher scores mean positive."""
    if min(int(truth.sum()), int((~truth).sum())) < 2:
        return AreaUnderCurve(None, None, None)
    area, left_out = _jackknifed(scores, truth)
    variance = (len(truth) - 1) / len(truth) * float(((left_out - left_out.mean()) ** 2).sum())
    spread = float(stats.norm.ppf(0.5 + confidence / 2.0)) * variance**0.5
    return AreaUnderCurve(area, max(area - spread, 0.0), min(area + spread, 1.0))


def compare_readings(scores: Scores, truth: Truth, confidence: float = 0.95) -> ReadingDifference | None:
    """Compare two readings; ``scores`` (2, readers, n); ``truth`` (readers, n): the consensus of the other readers.

    None if a reader's truth has fewer than two images of a class.
    """
    readers = scores.shape[1]
    classes = np.minimum(truth.sum(1), (~truth).sum(1))
    if readers < 2 or int(classes.min()) < 2:
        return None
    pairs = [[_jackknifed(scores[reading, reader], truth[reader]) for reader in range(readers)] for reading in (0, 1)]
    areas = np.array([[area for area, _ in row] for row in pairs])
    left_out = np.array([[values for _, values in row] for row in pairs])
    return difference_of(areas.mean(1), variance_of(areas, left_out), confidence)


def variance_of(areas: Scores, left_out: Scores) -> ReaderVariance:
    """``areas`` (2, readers) and the areas without one image each (2, readers, n)."""
    readers, images = left_out.shape[1:]
    apart = left_out - left_out.mean(2, keepdims=True)
    covariance = (images - 1) / images * np.einsum("irk,jsk->irjs", apart, apart)
    others = ~np.eye(readers, dtype=bool)
    cov2 = float(np.mean([covariance[reading, :, reading, :][others].mean() for reading in (0, 1)]))
    cov3 = float(np.mean([covariance[reading, :, 1 - reading, :][others].mean() for reading in (0, 1)]))
    mean = areas.mean()
    of_reading, of_reader = areas.mean(1, keepdims=True), areas.mean(0, keepdims=True)
    interaction = areas - of_reading - of_reader + mean
    return ReaderVariance(
        readers * float(((of_reading - mean) ** 2).sum()),
        float((interaction**2).sum()) / (readers - 1),
        cov2,
        cov3,
        readers,
    )


def difference_of(areas: Scores, variance: ReaderVariance, confidence: float = 0.95) -> ReadingDifference:
    """The test of two readings; ``areas`` (2,) are means over the readers."""
    excess = variance.readers * max(variance.cov2 - variance.cov3, 0.0)
    denominator = variance.ms_interaction + excess
    difference = float(areas[1] - areas[0])
    if denominator <= 0.0:  # every reader gave the same scores twice
        return ReadingDifference((float(areas[0]), float(areas[1])), difference, difference, difference, 1.0, np.inf)
    interaction = variance.ms_interaction**2 / (variance.readers - 1)
    freedom = denominator**2 / interaction if interaction > 0.0 else np.inf
    spread = float(stats.t.ppf(0.5 + confidence / 2.0, freedom)) * (2.0 * denominator / variance.readers) ** 0.5
    p_value = float(stats.f.sf(variance.ms_reading / denominator, 1, min(freedom, 1e9)))
    return ReadingDifference(
        (float(areas[0]), float(areas[1])), difference, difference - spread, difference + spread, p_value, freedom
    )


def _jackknifed(scores: Scores, truth: Truth) -> tuple[float, Scores]:
    """The area, and the areas without one image each, (n,)."""
    positive, negative = scores[truth], scores[~truth]
    wins = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    area = float(wins.mean())
    left_out = np.empty(len(truth))
    left_out[truth] = (wins.sum() - wins.sum(1)) / ((len(positive) - 1) * len(negative))
    left_out[~truth] = (wins.sum() - wins.sum(0)) / (len(positive) * (len(negative) - 1))
    return area, left_out
