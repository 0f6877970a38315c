"""What the network for any radiograph finds and flags, source by source, with simulators it was not trained with.

A source is judged by a head that never saw it. The defects are those of :mod:`miqa_training.any_part.kept`, which
shares no code with the simulators of training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.libraries.plain_statistics.platt import Scaling, fit_scaling
from miqa_training.any_part.cases import CaseTable
from miqa_training.any_part.head import Head, seen
from miqa_training.any_part.sampler import CLASSES, COLUMN
from miqa_training.scores import auroc

SPECIFICITY, FEW = 0.99, 15
"""Share of clean images that a finding must leave unflagged: of each source, and of all with fewer images than ``FEW``
together with the others."""
LEAST_LIMIT, MOST_LIMIT, UNTRIED = 0.02, 0.98, 0.5
"""Bounds of every limit; a class of which no case was made is flagged from ``UNTRIED`` on at least."""
OWN_SPECIFICITY = 0.98
"""The same where a source chooses a limit of its own by its clean images, as rooms of a site do."""
WEAK = 0.5
"""A finding that finds less than this share of marked defects is called weak."""


@dataclass(frozen=True, slots=True)
class PartCase:
    """One judged image: its source, what was made of it ("" nothing), how severe, and the graph's answer."""

    source: str
    made: str
    level: float
    logits: NDArray[np.float64]
    severity: NDArray[np.float64]


def judged(cases: CaseTable, heads: Mapping[str, Head]) -> list[PartCase]:
    """Each case as judged by the head that never saw its source: ``heads`` by source, "" for all others."""
    answers = []
    for source in np.unique(cases.source):
        rows = np.flatnonzero(cases.source == source)
        head = heads.get(str(source), heads[""])
        inputs = seen(cases.features[rows], cases.numbers[rows])
        with torch.no_grad():
            logits, severity = (part.double().numpy() for part in head(torch.from_numpy(inputs)))
        answers += [
            PartCase(str(source), str(cases.made[row]), float(cases.level[row]), *answer)
            for row, *answer in zip(rows, logits, 1.0 / (1.0 + np.exp(-severity)), strict=True)
        ]
    return answers


@dataclass(frozen=True, slots=True)
class PartCalibration:
    """Per class, in the order of CLASSES: the scaling of its logit, and the limit from which it is flagged."""

    scaling: tuple[Scaling, ...]
    limit: NDArray[np.float64]

    def probability(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities of logits (N, C)."""
        columns = [scaling.probability(logits[:, column]) for column, scaling in enumerate(self.scaling)]
        return np.stack(columns, 1)


def calibrate(cases: Sequence[PartCase]) -> PartCalibration:
    """Scaling by all cases; limits that hold in each source, so the worst one decides."""
    logits = np.stack([case.logits for case in cases])
    scaling = []
    for name, column in COLUMN.items():
        certain = np.array([_truth(case, name) is not None for case in cases])
        truth = np.array([bool(_truth(case, name)) for case in cases])
        scaling.append(fit_scaling(logits[certain, column], truth[certain]) or Scaling(1.0, 0.0))
    unset = PartCalibration(tuple(scaling), np.ones(len(CLASSES)))
    clean = [unset.probability(np.stack([case.logits for case in group])) for group in _clean_groups(cases)]
    limits = np.max([np.quantile(scores, SPECIFICITY, 0) for scores in clean], 0)
    made = {case.made for case in cases}
    least = np.array([LEAST_LIMIT if name in made else UNTRIED for name in COLUMN])
    return PartCalibration(unset.scaling, np.clip(limits, least, MOST_LIMIT))


def _truth(case: PartCase, name: str) -> bool | None:
    """Whether a case has a finding; None where nobody knows."""
    if case.made == name:
        return True
    if case.made == FindingName.UNDEREXPOSURE and name == FindingName.NOISE:
        return None
    return False


def _clean_groups(cases: Sequence[PartCase]) -> list[list[PartCase]]:
    clean = [case for case in cases if not case.made]
    by_source = [[case for case in clean if case.source == source] for source in {case.source for case in clean}]
    return [clean, *(group for group in by_source if len(group) >= FEW)]


def two_sided(cases: Sequence[PartCase], calibration: PartCalibration) -> dict[str, Any]:
    """Per finding and source: AUROC, the share of marked defects found and of clean images flagged at the limit."""
    rows: dict[str, Any] = {}
    for name, column in COLUMN.items():
        by_source = {}
        for source in sorted({case.source for case in cases if case.made == name}):
            clean = [case for case in cases if not case.made and source in {case.source, "none"}]
            made = [case for case in cases if case.source == source and case.made == name]
            by_source[source] = _figures(made, clean, column, calibration)
        if by_source:
            rows[name] = {**_macro(by_source.values()), "sources": by_source}
    return rows


def flagged_unaltered(cases: Iterable[PartCase], calibration: PartCalibration) -> dict[str, Any]:
    """Per source, how many unaltered images any finding flags, and which."""
    clean = [case for case in cases if not case.made]
    rows = {}
    for source in sorted({case.source for case in clean}):
        over = _scores([case for case in clean if case.source == source], calibration) >= calibration.limit
        by_finding = {name: int(over[:, column].sum()) for name, column in COLUMN.items() if over[:, column].any()}
        rows[source] = {"images": len(over), "flagged": int(over.any(1).sum()), "by_finding": by_finding}
    return rows


def _scores(cases: Sequence[PartCase], calibration: PartCalibration) -> NDArray[np.float64]:
    return calibration.probability(np.stack([case.logits for case in cases]))


def _figures(
    made: Sequence[PartCase], clean: Sequence[PartCase], column: int, calibration: PartCalibration
) -> dict[str, Any]:
    limit = calibration.limit[column]
    positive, negative = _scores(made, calibration)[:, column], _scores(clean, calibration)[:, column]
    severe = np.array([case.level >= 0.75 for case in made])
    own = float((positive > np.quantile(negative, OWN_SPECIFICITY)).mean()) if len(negative) >= FEW else None
    return {
        "defects": len(made),
        "auroc": round(auroc(positive, negative), 3),
        "found": round(float((positive >= limit).mean()), 3),
        "found_from_severity_0.75": round(float((positive[severe] >= limit).mean()), 3) if severe.any() else None,
        "found_at_own_limit": None if own is None else round(own, 3),
        "clean": len(clean),
        "clean_flagged": round(float((negative >= limit).mean()), 3),
    }


def _macro(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    every = list(rows)
    mean = {key: round(float(np.mean([row[key] for row in every])), 3) for key in ("auroc", "found", "clean_flagged")}
    own = [row["found_at_own_limit"] for row in every if row["found_at_own_limit"] is not None]
    return {
        **mean,
        "found_at_own_limit": round(float(np.mean(own)), 3) if own else None,
        "weak": mean["found"] < WEAK,
    }
