"""Distances between the network's points and a reader's, and agreement of the derived positioning with the reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from miqa_node.stages.assess.landmarks.estimate import LandmarkEstimate
from miqa_node.stages.assess.landmarks.points import POINTS, SIDES
from miqa_node.stages.assess.landmarks.positioning import rotation_percent, tilt_deg
from miqa_training.landmarks.points import LandmarkAnnotation
from miqa_training.landmarks.variation import vary_sample

Estimator = Callable[[NDArray[np.uint16]], LandmarkEstimate]
"""Gives the estimate for presentation values (rows, columns)."""
BOOTSTRAPS = 400
FLAGGED_FROM = 0.85
"""Operating point of cut lungs (:mod:`miqa_training.landmarks.package`)."""
FURTHEST_MARGIN = -0.2
"""Maximum missing part that counts in its error; networks do not estimate beyond it."""
EXACT = {"apex": 1, "cpa": 1, "dome": 1, "clav": 0, "spine": 0, "lat": 0}
"""For each kind of point the coordinate that matters and that readers agree on: 0 for x, 1 for y."""


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
    """Figures over all images ("all") and over each hospital; errors are percentages of the image's width."""
    comparisons = []
    for reader in annotations:
        image = pixels[reader.record.path.name]
        estimate = estimator(presentation(image))
        comparisons.append(LandmarkComparison(estimate, reader, image.shape[1] / image.shape[0]))
    figures = {"all": comparison_figures(comparisons)}
    for source in sorted({a.record.source for a in annotations}):
        figures[source] = comparison_figures([c for c in comparisons if c.reader.record.source == source])
    return figures


def presentation(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Presentation values of 8-bit pixels."""
    return pixels.astype(np.uint16) * np.uint16(257)


def comparison_figures(comparisons: Sequence[LandmarkComparison]) -> dict[str, Any]:
    """Errors of the points, and agreement with the reader on rotation, cut sides, inspiration, ribs and tilt.

    An interval (``…_low``, ``…_high``) holds 95 % of the figures of BOOTSTRAPS draws of the images.
    """
    figures = _figures(comparisons)
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(comparisons), size=len(comparisons)) for _ in range(BOOTSTRAPS)]
    drawn = [_headline([comparisons[n] for n in draw]) for draw in draws]
    for name in _headline(comparisons):
        values = [value for one in drawn if (value := one[name]) is not None]
        if values and figures[name] is not None:
            low, high = np.percentile(values, (2.5, 97.5))
            figures[f"{name}_low"], figures[f"{name}_high"] = round(float(low), 3), round(float(high), 3)
    return figures


def _headline(comparisons: Sequence[LandmarkComparison]) -> dict[str, float | None]:
    """The main figures of positioning."""
    rotated = np.array([c.reader.grades[0] > 0 for c in comparisons])
    cut, chance = _cuts(comparisons)
    return {
        "median_error_percent": _percent(np.array([c.distances for c in comparisons]), 50),
        "rotation_percent_auroc": auroc(rotated, np.array([abs(c.estimate.rotation) for c in comparisons])),
        "rotation_grade_auroc": auroc(rotated, np.array([c.estimate.grade[0] for c in comparisons])),
        "cut_auroc": auroc(cut.any(axis=1), chance.sum(axis=1)),
    }


def _figures(comparisons: Sequence[LandmarkComparison]) -> dict[str, Any]:
    distances = np.array([c.distances for c in comparisons])
    exact = np.array([c.exact_differences for c in comparisons])
    marked = np.array([c.reader.grades[0] > 1 for c in comparisons])
    comparable = [c for c in comparisons if np.isfinite(rotation_percent(c.reader.points))]
    difference = [abs(100.0 * c.estimate.rotation - rotation_percent(c.reader.points)) for c in comparable]
    return {
        "images": len(comparisons),
        "rotated": sum(c.reader.grades[0] > 0 for c in comparisons),
        "cut": sum(bool(c.reader.cut) for c in comparisons),
        "p90_error_percent": _percent(distances, 90),
        "median_exact_percent": _percent(exact, 50),
        "p90_exact_percent": _percent(exact, 90),
        **_headline(comparisons),
        "rotation_marked_auroc": auroc(marked, np.array([abs(c.estimate.rotation) for c in comparisons])),
        "rotation_clavicles_seen_error": round(float(np.median(difference)), 1) if difference else None,
        **_other_figures(comparisons),
        "by_point": {
            name: {"error_percent": _percent(distances[:, n], 50), "exact_percent": _percent(exact[:, n], 50)}
            for n, name in enumerate(POINTS)
        },
    }


def simulated_cuts(
    estimator: Estimator,
    annotations: Sequence[LandmarkAnnotation],
    pixels: Mapping[str, NDArray[np.uint8]],
    draws: int = 8,
) -> dict[str, Any]:
    """Accuracy of cut sides and margins where they are simulated, so the truth is exact, by side of the image.

    ``missing_median_error_percent`` is the error of the missing part at a cut side, as a percentage of the image's
    side.
    """
    pairs = []
    for number, annotation in enumerate(annotations):
        for draw in range(draws):
            rng = np.random.default_rng((17, number, draw))
            sample = vary_sample(annotation, pixels[annotation.record.path.name], rng, cut_share=0.7)
            image = np.rint(sample.image * np.float32(255)).astype(np.uint8)
            pairs.append((sample, estimator(presentation(image))))
    cut, labels = (np.array([getattr(sample, name) for sample, _ in pairs]) for name in ("cut", "margin"))
    chance, margin = (np.array([getattr(estimate, name) for _, estimate in pairs]) for name in ("cut", "margin"))
    figures: dict[str, Any] = {}
    for n, side in enumerate(SIDES):
        clear = np.isfinite(cut[:, n])
        is_cut, present = cut[clear, n] == 1, chance[clear, n] >= FLAGGED_FROM
        missing = (cut[:, n] == 1) & (labels[:, n] > FURTHEST_MARGIN)
        figures[side] = {
            "cut": int(is_cut.sum()),
            "not_cut": int((~is_cut).sum()),
            "auroc": auroc(is_cut, chance[clear, n]),
            "sensitivity": _share(present[is_cut]),
            "false_alarms": _share(present[~is_cut]),
            "missing_median_error_percent": _percent(np.abs(margin[missing, n] - labels[missing, n]), 50),
        }
    return figures


def _share(values: NDArray[np.bool_]) -> float | None:
    return round(float(values.mean()), 3) if values.size else None


def _cuts(comparisons: Sequence[LandmarkComparison]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Of each image and side (N, 4): whether the reader called it cut, and the network's probability."""
    cut = np.array([[side in c.reader.cut for side in SIDES] for c in comparisons])
    return cut, np.array([c.estimate.cut for c in comparisons])


def _other_figures(comparisons: Sequence[LandmarkComparison]) -> dict[str, Any]:
    cut, chance = _cuts(comparisons)
    marked = np.array([np.isfinite(c.reader.points[:, 0]) for c in comparisons])
    poor = np.array([c.reader.grades[1] > 0 for c in comparisons])
    ribs = np.array([abs(c.estimate.ribs - c.reader.ribs) for c in comparisons])
    tilt = np.array([
        abs(tilt_deg(c.estimate.points, c.aspect) - tilt_deg(c.reader.points, c.aspect)) for c in comparisons
    ])  # fmt: skip
    return {
        "cut_sides_auroc": auroc(cut.ravel(), chance.ravel()),
        "visible_auroc": auroc(marked.ravel(), np.array([c.estimate.visible for c in comparisons]).ravel()),
        "inspiration_auroc": auroc(poor, np.array([c.estimate.grade[2] for c in comparisons])),
        "ribs_mean_error": round(float(np.nanmean(ribs)), 2) if np.isfinite(ribs).any() else None,
        "tilt_median_error_deg": round(float(np.nanmedian(tilt)), 2) if np.isfinite(tilt).any() else None,
    }


def auroc(truth: Any, score: NDArray[np.float64]) -> float | None:
    """Area under the ROC curve, None if only one class is present."""
    return round(float(roc_auc_score(truth, score)), 3) if len(set(truth.tolist())) == 2 else None


def _percent(values: NDArray[np.float64], percentile: float) -> float | None:
    numbers = values[np.isfinite(values)]
    return round(100.0 * float(np.percentile(numbers, percentile)), 2) if numbers.size else None
