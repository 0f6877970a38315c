"""How far the network's points lie from a reader's, and how well what follows from them agrees with the reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from miqa_node.degrade import Image
from miqa_node.training.landmarks.export import LandmarkEstimate
from miqa_node.training.landmarks.points import POINTS, SIDES, LandmarkAnnotation
from miqa_node.training.landmarks.positioning import rotation_percent, tilt_deg

Estimator = Callable[[Image], LandmarkEstimate]
"""Gives the estimate for an image (rows, columns) with values 0 to 1."""
EXACT = {"apex": 1, "cpa": 1, "dome": 1, "clav": 0, "spine": 0, "lat": 0}
"""The coordinate of each kind of point that matters and that readers agree on: 0 for x, 1 for y."""


@dataclass(frozen=True, slots=True)
class LandmarkComparison:
    """One image: the network's estimate, the reader's annotation, and the image's width over its height."""

    estimate: LandmarkEstimate
    reader: LandmarkAnnotation
    aspect: float

    @property
    def distances(self) -> NDArray[np.float64]:
        """Distance of every point as a fraction of the width, (12,); NaN where the reader marked none."""
        return np.asarray(np.hypot(*self._differences.T), np.float64)

    @property
    def exact_differences(self) -> NDArray[np.float64]:
        """Difference in the coordinate that matters as a fraction of the width, (12,); NaN where not marked."""
        axes = [EXACT[name.split("_", maxsplit=1)[0]] for name in POINTS]
        return self._differences[range(len(POINTS)), axes]

    @property
    def _differences(self) -> NDArray[np.float64]:
        return np.abs(self.estimate.points - self.reader.points) * (1.0, 1.0 / self.aspect)


def evaluate(
    estimator: Estimator, annotations: Sequence[LandmarkAnnotation], pixels: Mapping[str, NDArray[np.uint8]]
) -> dict[str, dict[str, Any]]:
    """Figures over all images ("all") and over each source; errors are percentages of the image's width."""
    comparisons = []
    for reader in annotations:
        image = pixels[reader.record.path.name]
        estimate = estimator(image.astype(np.float32) / np.float32(255))
        comparisons.append(LandmarkComparison(estimate, reader, image.shape[1] / image.shape[0]))
    figures = {"all": comparison_figures(comparisons)}
    for source in sorted({a.record.source for a in annotations}):
        figures[source] = comparison_figures([c for c in comparisons if c.reader.record.source == source])
    return figures


def comparison_figures(comparisons: Sequence[LandmarkComparison]) -> dict[str, Any]:
    """Errors of the points, and agreement with the reader on rotation, cut sides, inspiration, ribs and tilt."""
    distances = np.array([c.distances for c in comparisons])
    exact = np.array([c.exact_differences for c in comparisons])
    return {
        "images": len(comparisons),
        "median_error_percent": _percent(distances, 50),
        "p90_error_percent": _percent(distances, 90),
        "median_exact_percent": _percent(exact, 50),
        "p90_exact_percent": _percent(exact, 90),
        "by_point": {name: (_percent(distances[:, n], 50), _percent(exact[:, n], 50)) for n, name in enumerate(POINTS)},
        **_rotation_figures(comparisons),
        **_other_figures(comparisons),
    }


def _rotation_figures(comparisons: Sequence[LandmarkComparison]) -> dict[str, Any]:
    """AUROC of three estimates of rotation against grade 1 or more."""
    truth = np.array([c.reader.grades[0] > 0 for c in comparisons])
    by_branch = np.array([c.estimate.rotation for c in comparisons])
    by_points = np.array([rotation_percent(c.estimate.points) for c in comparisons]) / 100.0
    by_points = np.where(np.isnan(by_points), by_branch, by_points)
    return {
        "rotation_points_auroc": auroc(truth, np.abs(by_points)),
        "rotation_branch_auroc": auroc(truth, np.abs(by_branch)),
        "rotation_mean_auroc": auroc(truth, np.abs(by_points + by_branch)),
        "rotation_grade_auroc": auroc(truth, np.array([c.estimate.grade[0] for c in comparisons])),
    }


def _other_figures(comparisons: Sequence[LandmarkComparison]) -> dict[str, Any]:
    cut = np.array([[side in c.reader.cut for side in SIDES] for c in comparisons])
    chance = np.array([c.estimate.cut for c in comparisons])
    margin = np.array([c.estimate.margin for c in comparisons])
    marked = np.array([np.isfinite(c.reader.points[:, 0]) for c in comparisons])
    poor = np.array([c.reader.grades[1] > 0 for c in comparisons])
    ribs = np.array([abs(c.estimate.ribs - c.reader.ribs) for c in comparisons])
    tilt = np.array([
        abs(tilt_deg(c.estimate.points, c.aspect) - tilt_deg(c.reader.points, c.aspect)) for c in comparisons
    ])  # fmt: skip
    return {
        "cut_auroc": auroc(cut.any(axis=1), chance.max(axis=1)),
        "cut_sides_auroc": auroc(cut.ravel(), chance.ravel()),
        "cut_by_margin_auroc": auroc(cut.any(axis=1), -margin.min(axis=1)),
        "visible_auroc": auroc(marked.ravel(), np.array([c.estimate.visible for c in comparisons]).ravel()),
        "inspiration_auroc": auroc(poor, np.array([c.estimate.grade[2] for c in comparisons])),
        "ribs_mean_error": round(float(np.nanmean(ribs)), 2) if np.isfinite(ribs).any() else None,
        "tilt_median_error_deg": round(float(np.nanmedian(tilt)), 2) if np.isfinite(tilt).any() else None,
        "mirrored_highest": round(max(c.estimate.mirrored for c in comparisons), 3),
    }


def auroc(truth: Any, score: NDArray[np.float64]) -> float | None:
    """Area under the ROC curve, None if only one class is present."""
    return round(float(roc_auc_score(truth, score)), 3) if len(set(truth.tolist())) == 2 else None


def _percent(values: NDArray[np.float64], percentile: float) -> float | None:
    known = values[np.isfinite(values)]
    return round(100.0 * float(np.percentile(known, percentile)), 2) if known.size else None
