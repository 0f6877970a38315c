"""How well the rules agree with readers at hospitals whose grades they were not fitted to; chooses operating points."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_training.landmarks.evaluate import auroc
from miqa_training.landmarks.reader_rules import (
    GradedImage,
    cut_chances,
    fit_cuts,
    fit_rotation,
    rotation_chances,
)

FOUND = 0.75
"""Share of the rotated images that the operating point finds, each with a rule that never saw its hospital."""
CALLED_CUT = 0.04
"""Share of the images with whole lungs that may be called cut, likewise."""
ABOUT = (
    "Agreement with readers' grades at each hospital, with a rule that was fitted to the grades of the others, on "
    "images that no network was fitted on. found and called: share of the images with and without it that are at or "
    "above the operating point, which these images chose. before: AUROC of the network's own probability. by_grade: "
    "readers who "
    "graded the whole image without looking for anatomical points; their grades agree less (kappa .54). all: the "
    "hospitals together, although each has a rule of its own."
)

Truth = Callable[[GradedImage], bool | None]


@dataclass(frozen=True, slots=True)
class LeftOutChance:
    """One image with the chances by the rules that were fitted without its hospital."""

    image: GradedImage
    rotated: float
    cut: float


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """Probabilities from which the findings are present."""

    rotated: float
    cut: float


def left_out_chances(images: Sequence[GradedImage]) -> list[LeftOutChance]:
    """The chances of every image that the networks were not fitted on."""
    results: list[LeftOutChance] = []
    for source in dict.fromkeys(one.source for one in images):
        others = [one for one in images if one.source != source]
        own = [one for one in images if one.source == source and not one.seen]
        turned = rotation_chances(fit_rotation(others), own)
        cut = cut_chances(fit_cuts(others), own).max(1, initial=0.0)
        results.extend(LeftOutChance(*row) for row in zip(own, turned.tolist(), cut.tolist(), strict=True))
    return results


def operating_points(chances: Sequence[LeftOutChance]) -> OperatingPoints:
    """The highest point of rotation that finds FOUND of it, the lowest of cuts that calls CALLED_CUT of whole lungs."""
    rotated = [one.rotated for one in chances if one.image.rotated]
    whole = [one.cut for one in chances if one.image.clipped == 0 or one.image.cut == frozenset()]
    return OperatingPoints(
        math.floor(1e3 * float(np.quantile(rotated, 1.0 - FOUND, method="lower"))) / 1e3,
        math.ceil(1e3 * float(np.quantile(whole, 1.0 - CALLED_CUT, method="higher"))) / 1e3,
    )


def reader_figures(chances: Sequence[LeftOutChance], points: OperatingPoints) -> dict[str, Any]:
    """The card's figures, by hospital and together."""
    sources = dict.fromkeys(one.image.source for one in chances)
    parts = {source: [one for one in chances if one.image.source == source] for source in sources}
    parts["all"] = list(chances)
    truths: Mapping[str, Truth] = {
        "rotated": lambda one: one.rotated,
        "cut": lambda one: None if one.cut is None else bool(one.cut),
        "cut_by_grade": lambda one: None if one.clipped is None else one.clipped > 0,
        "cut_by_grade_marked": lambda one: None if one.clipped is None else one.clipped > 1,
    }
    return {
        "about": ABOUT,
        **{
            name: {source: row for source, part in parts.items() if (row := _agreement(part, name, truth, points))}
            for name, truth in truths.items()
        },
    }


def _agreement(
    chances: Sequence[LeftOutChance], name: str, truth_of: Truth, points: OperatingPoints
) -> dict[str, Any] | None:
    graded = [(one, answer) for one in chances if (answer := truth_of(one.image)) is not None]
    if not graded:
        return None
    truth = np.array([answer for _, answer in graded], np.bool_)
    if name == "rotated":
        now, point = [one.rotated for one, _ in graded], points.rotated
        before = [one.image.estimate.grade[0] for one, _ in graded]
    else:
        now, point = [one.cut for one, _ in graded], points.cut
        before = [one.image.estimate.cut.max() for one, _ in graded]
    present = np.array(now) >= point
    return {
        "images": len(graded), "with": int(truth.sum()), "auroc": auroc(truth, np.array(now)),
        "auroc_before": auroc(truth, np.array(before)), "found": _share(present[truth]),
        "called": _share(present[~truth]),
    }  # fmt: skip


def _share(present: NDArray[np.bool_]) -> float | None:
    return round(float(present.mean()), 3) if present.size else None
