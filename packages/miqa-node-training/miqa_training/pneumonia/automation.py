"""How often confident predictions are wrong: the evidence for automation.

Errors are counted on collections that were not used for training or calibration and that have both labels: if a
collection has only one label, a prediction may be right because of the hospital's look. The card also has figures for
patients of the training hospitals, but they prove nothing for another hospital.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.binomial import upper_limit
from miqa_node.stages.assess.classify.card import AutomationEvidence
from miqa_training.patients import PatientPart
from miqa_training.pneumonia.data import PneumoniaSample, Population

MAX_ERROR = 0.05
DELTA = 0.05
"""One minus the confidence level of the bound; without errors, 59 predictions suffice for 5 %."""
MIN_CONFIDENCE = 0.80
"""The minimum confidence for automation in the default settings."""


def automation_of(
    samples: Sequence[PneumoniaSample], probability: NDArray[np.float64], threshold: float
) -> list[AutomationEvidence]:
    """The evidence for each population; ``probability`` of pneumonia, (N,), in the order of the samples."""
    return [_evidence(one, samples, probability, threshold) for one in Population]


def _evidence(
    population: Population, samples: Sequence[PneumoniaSample], probability: NDArray[np.float64], threshold: float
) -> AutomationEvidence:
    elsewhere = [n for n, s in enumerate(samples) if s.part is PatientPart.ELSEWHERE and s.population is population]
    labels = {source: {samples[n].pneumonia for n in elsewhere if samples[n].source == source}
              for source in sorted({samples[n].source for n in elsewhere})}  # fmt: skip
    both = tuple(source for source, kinds in labels.items() if len(kinds) == 2)
    chosen = [n for n in elsewhere if samples[n].source in both]
    truth = np.array([samples[n].pneumonia for n in chosen], bool)
    scores = probability[chosen]
    positive = scores >= threshold
    sure = np.where(positive, scores, 1.0 - scores) >= MIN_CONFIDENCE
    errors = int((sure & (positive != truth)).sum())
    normal = sure & ~positive
    return AutomationEvidence(
        population=population.value,
        collections=both,
        images=len(chosen),
        min_confidence=MIN_CONFIDENCE,
        answers=int(sure.sum()),
        errors=errors,
        upper_bound=round(upper_limit(errors, int(sure.sum()), DELTA), 4),
        max_error=MAX_ERROR,
        false_omission_rate=round(float(truth[normal].mean()), 4) if normal.any() else None,
        sensitivity=round(float(positive[truth].mean()), 4) if truth.any() else None,
    )
