"""Figures as macro means over hospitals: one large hospital must not dominate, nor one patient within a hospital."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.bootstrap import limits_of_draws
from miqa_training.scores import auroc

ROUNDS = 300
"""Rounds of the bootstrap over patients."""
FEWEST = 3
"""Hospitals with fewer positives or negatives get no AUROC and do not count in the mean."""

Floats = NDArray[np.float64]
Statistic = Callable[["Observations"], float]


@dataclass(frozen=True, slots=True)
class Observations:
    """Score and truth of each image, with its hospital and patient; all (N,)."""

    score: Floats
    truth: NDArray[np.bool_]
    hospital: NDArray[np.str_]
    patient: NDArray[np.str_]

    def at(self, where: NDArray[Any]) -> Observations:
        """Those at an index or mask."""
        return Observations(self.score[where], self.truth[where], self.hospital[where], self.patient[where])


def separation(observations: Observations) -> float:
    """AUROC; NaN if there are too few positives or negatives."""
    if min(int(observations.truth.sum()), int((~observations.truth).sum())) < FEWEST:
        return float("nan")
    return auroc(observations.score[observations.truth], observations.score[~observations.truth])


def share(observations: Observations) -> float:
    """Mean of the scores; NaN for none."""
    return float(observations.score.mean()) if len(observations.score) else float("nan")


def by_hospital(observations: Observations, statistic: Statistic) -> dict[str, Any]:
    """The figure pooled, for each hospital, and as the mean of the hospitals; intervals by bootstrap over patients."""
    hospitals = sorted(set(observations.hospital.tolist()))
    each = {name: statistic(observations.at(observations.hospital == name)) for name in hospitals}
    pooled, macro = _resampled(observations, statistic)
    sides = [len(set(observations.patient[observations.truth == side].tolist())) for side in (False, True)]
    fewer = min(filter(None, sides), default=0)
    return {
        "images": len(observations.score),
        "macro": _round(_mean(list(each.values()))),
        "macro_interval": _limits(macro, fewer),
        "pooled": _round(statistic(observations)),
        "pooled_interval": _limits(pooled, fewer),
        "hospitals": {name: _round(value) for name, value in each.items()},
    }


def _resampled(observations: Observations, statistic: Statistic) -> tuple[list[float], list[float]]:
    """Pooled and macro values of bootstrap samples of whole patients."""
    patients = sorted(set(observations.patient.tolist()))
    rows = [np.flatnonzero(observations.patient == patient) for patient in patients]
    rng, pooled, macro = np.random.default_rng(0), list[float](), list[float]()
    for _ in range(ROUNDS if patients else 0):
        drawn = observations.at(np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))]))
        pooled.append(statistic(drawn))
        macro.append(_mean([statistic(drawn.at(drawn.hospital == name)) for name in np.unique(drawn.hospital)]))
    return pooled, macro


def _mean(values: Sequence[float]) -> float:
    numbers = [value for value in values if not np.isnan(value)]
    return float(np.mean(numbers)) if numbers else float("nan")


def _limits(values: Sequence[float], patients: int) -> list[float | None]:
    return [_round(v) for v in limits_of_draws([value for value in values if not np.isnan(value)], patients)]


def _round(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 3)
