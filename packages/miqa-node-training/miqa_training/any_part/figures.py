"""What the network for any radiograph finds and flags, source by source, with simulators it was not trained with.

A source is judged by a network that never saw it: that of the run that left it out. The defects are those of
:mod:`miqa_training.degrade`, which shares no code with the simulators of training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName, GateClass
from miqa_node.stages.assess.platt import Scaling, fit_scaling
from miqa_training.any_part.sampler import CLASSES, COLUMN
from miqa_training.degrade import DonorMaterial, Image, degrade, gate, pitch_of
from miqa_training.graph import ImageJudge
from miqa_training.scores import auroc, eight_bits

LEVELS = (0.5, 0.75, 1.0)
LARGEST_PX = 2048
FINDINGS = tuple(FindingName(name) for name in CLASSES[:-2])
SPECIFICITY, FEW, ROOM = 0.98, 25, 0.02
"""Share of clean images of each source that a finding must leave unflagged; of fewer images than ``FEW`` the highest
score counts, and ``ROOM`` is added to every limit."""
LEAST_LIMIT, MOST_LIMIT = 0.5, 0.98
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


def judge_source(
    judge: ImageJudge, source: str, pictures: Sequence[NDArray[np.uint8]], *, seed: int, only_clean: bool = False,
    done: Callable[[int], None] = lambda _: None,
) -> list[PartCase]:  # fmt: skip
    """Every picture as it is, with each finding at one of LEVELS in turn, and inverted."""
    cases = []
    for number, pixels in enumerate(pictures):
        image = _display(pixels)
        cases.append(_case(judge, source, "", 0.0, image))
        if only_clean:
            continue
        other = _display(pictures[(number * 7 + 3) % len(pictures)])
        for place, finding in enumerate(FINDINGS):
            level, rng = LEVELS[(number + place) % len(LEVELS)], np.random.default_rng((seed, number, place))
            changed = degrade(image, finding, level, rng, pitch_of(image), DonorMaterial(other=other))
            cases.append(_case(judge, source, str(finding), level, changed))
        cases.append(_case(judge, source, str(GateClass.INVERTED), 1.0, gate.inverted(image)))
        done(number)
    return cases


def judge_blank(judge: ImageJudge, count: int, seed: int = 5) -> list[PartCase]:
    """Images without a patient."""
    rng = np.random.default_rng(seed)
    return [
        _case(judge, "none", str(GateClass.BLANK), 1.0, gate.blank((int(rng.integers(400, 900)), 600), rng))
        for _ in range(count)
    ]


def _display(pixels: NDArray[np.uint8]) -> Image:
    scale = LARGEST_PX / max(pixels.shape)
    if scale < 1.0:
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return pixels.astype(np.float32) / np.float32(255)


def _case(judge: ImageJudge, source: str, made: str, level: float, image: Image) -> PartCase:
    answer = judge(eight_bits(image))
    return PartCase(source, made, level, answer.logits.astype(np.float64), answer.severity.astype(np.float64))


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
    limits = [_limits(unset.probability(np.stack([c.logits for c in clean]))) for clean in _clean_by_source(cases)]
    return PartCalibration(unset.scaling, np.clip(np.max(limits, 0) + ROOM, LEAST_LIMIT, MOST_LIMIT))


def _truth(case: PartCase, name: str) -> bool | None:
    """Whether a case has a finding; None where nobody knows."""
    if case.made == name:
        return True
    if case.made == FindingName.UNDEREXPOSURE and name == FindingName.NOISE:
        return None
    return False


def _clean_by_source(cases: Sequence[PartCase]) -> list[list[PartCase]]:
    sources = sorted({case.source for case in cases if not case.made})
    return [[case for case in cases if case.source == source and not case.made] for source in sources]


def _limits(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return scores.max(0) if len(scores) < FEW else np.quantile(scores, SPECIFICITY, 0)


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
    return {
        "defects": len(made),
        "auroc": round(auroc(positive, negative), 3),
        "found": round(float((positive >= limit).mean()), 3),
        "found_from_severity_0.75": round(float((positive[severe] >= limit).mean()), 3) if severe.any() else None,
        "clean": len(clean),
        "clean_flagged": round(float((negative >= limit).mean()), 3),
    }


def _macro(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    every = list(rows)
    mean = {key: round(float(np.mean([row[key] for row in every])), 3) for key in ("auroc", "found", "clean_flagged")}
    return {**mean, "weak": mean["found"] < WEAK}
