"""Combines the members' logits into one calibrated probability with a threshold: calibrates each, then their mean.

Fitted on patients outside training and test: children and adults set aside for calibration, from hospitals that have
both labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.platt import Scaling, fit_scaling
from miqa_node.stages.assess.classify.card import Combination, EnsembleMember
from miqa_node.stages.assess.classify.classifier import combined
from miqa_training.pneumonia.data import PneumoniaSample, Population

RECALL_TARGET = 0.97
"""Required recall for children of the calibration part, with a margin so that .95 holds for others."""
ADULTS_RECALL_TARGET = 0.9
"""Required recall for adults: each further point costs several points of specificity."""
HIGHEST_THRESHOLD = 0.5
LEAST_ADULTS = 10
"""Minimum number of images with pneumonia to choose a threshold."""


@dataclass(frozen=True, slots=True)
class PneumoniaEnsemble:
    """Members with their calibration, the calibration of their mean, and the threshold for Pneumonia."""

    members: tuple[EnsembleMember, ...]
    combination: Combination
    threshold: float

    def probability(self, logits: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
        """Probability of Pneumonia, (N,), from each member's logits (N, 2) by architecture."""
        member_logits = [logits[member.architecture] for member in self.members]
        return combined(member_logits, self.members, self.combination)[:, 1]


def calibrated(
    logits: Mapping[str, NDArray[np.float32]], samples: Sequence[PneumoniaSample], taps: Mapping[str, str],
    shares: Mapping[str, float] | None = None,
) -> PneumoniaEnsemble:  # fmt: skip
    """The ensemble of members, from their logits on the calibration samples by architecture; some have ``taps``.

    ``shares`` are their weights, 1 each by default.
    """
    present = np.array([sample.pneumonia for sample in samples], bool)
    members = tuple(
        _member(name, values, present, taps.get(name)).model_copy(update={"weight": (shares or {}).get(name, 1.0)})
        for name, values in logits.items()
    )
    plain = PneumoniaEnsemble(members, Combination(mirrored=True), HIGHEST_THRESHOLD)
    mean = plain.probability(logits)
    raw = np.log(mean) - np.log1p(-mean)
    scaling = _scaling(raw, present)
    combination = Combination(temperature=scaling.temperature, bias=(0.0, scaling.bias), mirrored=True)
    probability = PneumoniaEnsemble(members, combination, HIGHEST_THRESHOLD).probability(logits)
    return PneumoniaEnsemble(members, combination, _threshold(probability, samples))


def _threshold(probability: NDArray[np.float64], samples: Sequence[PneumoniaSample]) -> float:
    """The threshold with the required recall for children and for adults: the harder group decides."""
    children = np.array([sample.population is Population.CHILDREN for sample in samples], bool)
    present = np.array([sample.pneumonia for sample in samples], bool)
    threshold = threshold_of(probability[children & present], RECALL_TARGET)
    adults = probability[~children & present]
    return min(threshold, threshold_of(adults, ADULTS_RECALL_TARGET)) if len(adults) >= LEAST_ADULTS else threshold


def threshold_of(probability: NDArray[np.float64], recall: float) -> float:
    """The highest threshold, at most one half, with this recall on these images."""
    smallest = np.sort(probability)[: int(np.floor((1.0 - recall) * len(probability))) + 1]
    return round(float(min(smallest[-1] * 0.999, HIGHEST_THRESHOLD)), 4)


def _member(name: str, logits: NDArray[np.float32], present: NDArray[np.bool_], tap: str | None) -> EnsembleMember:
    difference = (logits[:, 1] - logits[:, 0]).astype(np.float64)
    scaling = _scaling(difference, present)
    return EnsembleMember(
        file=f"{name}.onnx",
        architecture=name,
        temperature=round(scaling.temperature, 6),
        bias=(0.0, round(scaling.bias, 6)),
        tap=tap,
    )


def _scaling(difference: NDArray[np.float64], present: NDArray[np.bool_]) -> Scaling:
    """Scaling of the difference of two logits, since the softmax of two logits is the logistic function of it."""
    scaling = fit_scaling(difference, present)
    if scaling is None:
        raise ValueError(
            "A member cannot be calibrated: there are too few images of a label, or what it says does not rise with it."
        )
    return scaling
