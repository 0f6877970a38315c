"""Probabilities and operating points of a fitted graph, from simulated defects on held-out patients."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName, GateClass
from miqa_node.core.taxonomy.lookup import defect_names, gate_names
from miqa_node.libraries.plain_statistics.platt import Scaling, calibration_error, fit_scaling, sigmoid
from miqa_training.corpus import QualityData
from miqa_training.datasets import DatasetRecord
from miqa_training.degrade import Image, gate
from miqa_training.graph import ImageJudge
from miqa_training.presentation import LARGE_PX, vary
from miqa_training.samples import CLASSES, COLUMN, GRADED_AS, OBJECTS
from miqa_training.scores import JudgedCase, judge, judge_simulated, read_image

CLEAN_FLAGGED = 0.07
"""Share of clean images that all heads together may flag; every head gets the same specificity."""
LEVELS = (0.25, 0.5, 0.75, 1.0)
LEAST_THRESHOLD = 0.5
"""No head flags a finding that is less likely than not, unless clean images of all sources lie far below that."""
FAR_BELOW, MARGIN, LOWEST_THRESHOLD = 0.99, 1.2, 0.2
"""Where this share of the clean images of every source stays below a lower probability, that, with a margin, takes its
place: a head that is never sure of anything would else be deaf. No less than about three times a finding's own share of
the calibration images."""
FREE_SPECIFICITY, FEW_FREE = 0.95, 20
"""Specificity of each head at every hospital of the development set with enough images free of the finding."""
OBJECT_SPECIFICITY = 0.925
"""Specificity for removable objects. Most images without one show devices; at 0.95 hardly any object would be found."""
GATE_DRAWS = 60
FEW_IMAGES = 59
"""Fewer clean images than this cannot show 95 % specificity, even if none is flagged (exact binomial, 95 %)."""


@dataclass(frozen=True, slots=True)
class QualityCalibration:
    """Per class, in the order of CLASSES: probability = sigmoid((logit + bias) / temperature), operating points."""

    temperature: NDArray[np.float64]
    bias: NDArray[np.float64]
    threshold: NDArray[np.float64]
    report: dict[str, Any]

    def probability(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Calibrated probabilities of logits (…, C)."""
        return sigmoid((logits.astype(np.float64) + self.bias) / self.temperature)


@dataclass(frozen=True, slots=True)
class CalibrationCases:
    """A model's results for its calibration images: all labelled ones, clean ones, and those of another hospital.

    ``development``: images as hospitals deliver them, with readers' annotations.
    """

    everything: list[JudgedCase]
    clean: list[JudgedCase]
    elsewhere: list[JudgedCase]
    development: list[JudgedCase] = field(default_factory=list)


def calibrate(graph: ImageJudge, data: QualityData, seed: int = 11) -> QualityCalibration:
    """Platt scaling and a threshold per head, from held-out NIH and OpenIST images."""
    return calibration_of(ask(graph, data, seed))


def ask(graph: ImageJudge, data: QualityData, seed: int = 11) -> CalibrationCases:
    """Judge the images that calibration needs; the same seed gives the same images."""

    def load(record: DatasetRecord) -> Image:
        rng = np.random.default_rng((seed, int.from_bytes(record.path.name.encode()[-8:]) % 2**32))
        return vary(record, data.cache[record.path], rng).image

    simulated = judge_simulated(graph, data.held_out, load, defect_names(), LEVELS, seed=seed)
    clean = [judge(graph, r, load(r)) for r in data.held_out]
    plain = [judge(graph, r, _plain(data, r)) for r in data.held_out]
    elsewhere = [judge(graph, r, _plain(data, r)) for r in data.other_hospital]
    gates = _gate_cases(graph, data, load, seed)
    development = [judge(graph, r, read_image(r)) for r in data.development]
    return CalibrationCases([*simulated, *clean, *plain, *gates], [*clean, *plain], elsewhere, development)


def calibration_of(cases: CalibrationCases) -> QualityCalibration:
    """Probabilities and operating points from the model's results."""
    temperature, bias = np.ones(len(CLASSES)), np.zeros(len(CLASSES))
    errors = {}
    for column, name in enumerate(CLASSES):
        logits, targets, second = _labelled(cases.everything, column, name)
        scaling = fit_scaling(logits, targets) or Scaling(1.0, 0.0)
        temperature[column], bias[column] = scaling.temperature, scaling.bias
        errors[name] = round(_error_of_others(logits, targets, second), 4)
    unset = QualityCalibration(temperature, bias, np.ones(len(CLASSES)), {})
    threshold, specificity, flagged = operating_points(unset, cases.clean, cases.elsewhere, cases.development)
    report = {
        "method": "Platt scaling per head (temperature and bias) on simulated defects; error in ten bins of equal mass",
        "data": (
            "held-out NIH, Kermany and Cohen patients; the error is the mean of those of each half of the patients "
            "under the scaling that was fitted to the other half; what ships is fitted to all of them"
        ),
        "images": len(cases.everything),
        "expected_calibration_error": errors,
        "operating_points": (
            f"per-head specificity {specificity:.3f} on the clean images of each source apart: held-out ones, large "
            "and small NIH images on their own, and OpenIST (another hospital, used for operating points only); at "
            f"most {flagged:.1%} of any of them are flagged by any head; and per-head specificity "
            f"{FREE_SPECIFICITY:.2f} at the worst hospital of the development set, on images in which readers saw "
            f"nothing of the finding; no less than {LEAST_THRESHOLD}, or than {MARGIN} times what {FAR_BELOW:.0%} of "
            f"the clean images of every source stay below, if that is lower ({LOWEST_THRESHOLD} at least)"
        ),
        "left_out_hospital": left_out_hospitals(unset, cases),
    }
    return QualityCalibration(temperature, bias, threshold, report)


def _error_of_others(logits: NDArray[np.float64], targets: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Mean calibration error of two halves of the patients, each under the scaling fitted to the other half."""
    errors = []
    for half in (second, ~second):
        scaling = fit_scaling(logits[~half], targets[~half]) or Scaling(1.0, 0.0)
        errors.append(calibration_error(scaling.probability(logits[half]), targets[half]))
    return float(np.mean(errors))


def left_out_hospitals(calibration: QualityCalibration, cases: CalibrationCases) -> dict[str, dict[str, float]]:
    """What operating points do at a hospital of the development set that was left out when they were chosen.

    For each hospital: the share of images free of the finding that each head flags; heads that flag none are omitted.
    """
    rows = {}
    for hospital in sorted({case.record.source for case in cases.development}):
        there = [case for case in cases.development if case.record.source == hospital]
        others = [case for case in cases.development if case.record.source != hospital]
        threshold, _, _ = operating_points(calibration, cases.clean, cases.elsewhere, others)
        free = _clean_scores(calibration, there)
        flags = np.where(np.isnan(free), np.nan, free >= threshold)
        shares = {name: _mean(flags[:, column]) for column, name in enumerate(CLASSES)}
        rows[hospital] = {name: round(share, 3) for name, share in shares.items() if share > 0}
    return rows


def _mean(flags: NDArray[np.float64]) -> float:
    values = flags[~np.isnan(flags)]
    return float(values.mean()) if values.size else 0.0


def operating_points(
    calibration: QualityCalibration,
    clean: list[JudgedCase],
    elsewhere: list[JudgedCase],
    development: Sequence[JudgedCase] = (),
) -> tuple[NDArray[np.float64], float, float]:
    """Thresholds per class, the specificity of each head and the share of clean images that any head then flags.

    The worst source decides: an average over hospitals says little about the next one. Devices do not count towards the
    share, because they raise no alarm.
    """
    at_hospitals = [_shares(_clean_scores(calibration, there)) for there in _by_hospital(development)]
    alarms = [column for name, column in COLUMN.items() if name != FindingName.DEVICE_IN_VIEW]
    groups = [_clean_scores(calibration, group) for group in _by_source([*clean, *elsewhere])]
    whole = [_clean_scores(calibration, list(development))] if development else []
    objects = _object_point([*groups, *whole])
    least = _least_thresholds([*groups, *(_clean_scores(calibration, there) for there in _by_hospital(development))])
    best: tuple[NDArray[np.float64], float, float] | None = None
    for specificity in np.arange(0.95, 0.9991, 0.0025):
        # A group without annotations for a class (NaN) does not affect its threshold.
        threshold = np.max([*(_quantiles(g, specificity) for g in groups), *at_hospitals], axis=0)
        threshold[COLUMN[FindingName.FOREIGN_OBJECT]] = objects
        threshold = np.clip(threshold + 1e-6, least, 0.98)
        over = [(np.nan_to_num(group) >= threshold)[:, alarms] for group in groups]
        flagged = max(float(np.mean(np.any(group, axis=1))) for group in over)
        best = (np.round(threshold, 4), float(specificity), flagged)
        if flagged <= CLEAN_FLAGGED:
            break
    return cast("tuple[NDArray[np.float64], float, float]", best)


def _by_hospital(cases: Sequence[JudgedCase]) -> list[list[JudgedCase]]:
    """The cases of each hospital."""
    hospitals = sorted({case.record.source for case in cases})
    return [[case for case in cases if case.record.source == hospital] for hospital in hospitals]


def _least_thresholds(groups: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Per class, the least threshold that the worst group allows; gate classes keep LEAST_THRESHOLD."""
    worst = np.max([_shares(group, FAR_BELOW) for group in groups], axis=0)
    least = np.clip(MARGIN * worst, LOWEST_THRESHOLD, LEAST_THRESHOLD)
    least[[COLUMN[name] for name in gate_names()]] = LEAST_THRESHOLD
    return np.asarray(least, np.float64)


def _by_source(cases: Sequence[JudgedCase]) -> list[list[JudgedCase]]:
    """The cases grouped by source and size; small groups are merged."""
    groups: dict[tuple[str, bool], list[JudgedCase]] = {}
    for case in cases:
        groups.setdefault((case.record.source, case.record.long_side_px > LARGE_PX), []).append(case)
    enough = [group for group in groups.values() if len(group) >= FEW_IMAGES]
    rest = [case for group in groups.values() if len(group) < FEW_IMAGES for case in group]
    return [*enough, rest] if rest else enough


def _quantiles(scores: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    columns = [column[~np.isnan(column)] for column in scores.T]
    return np.array([_quantile(column, share) for column in columns])


def _object_point(groups: Sequence[NDArray[np.float64]]) -> float:
    """The object score below which OBJECT_SPECIFICITY of the images without an object stay, in the worst group."""
    columns = [group[:, COLUMN[FindingName.FOREIGN_OBJECT]] for group in groups]
    columns = [scores[~np.isnan(scores)] for scores in columns]
    return max((float(np.quantile(s, OBJECT_SPECIFICITY)) for s in columns if s.size >= FEW_FREE), default=0.0)


def _shares(scores: NDArray[np.float64], share: float = FREE_SPECIFICITY) -> NDArray[np.float64]:
    """Per class, the score below which that share of the images stay; 0 if too few images are free of it."""
    columns = [column[~np.isnan(column)] for column in scores.T]
    return np.array([np.quantile(c, share) if c.size >= FEW_FREE else 0.0 for c in columns])


def _quantile(scores: NDArray[np.float64], share: float) -> float:
    """The quantile; for few images the maximum, because no lower limit could be shown to hold (SCIENCE.md §5)."""
    if scores.size == 0:
        return 0.0
    return float(scores.max() if scores.size < FEW_IMAGES else np.quantile(scores, share))


def _clean_scores(calibration: QualityCalibration, cases: list[JudgedCase]) -> NDArray[np.float64]:
    """Probabilities (N, C); NaN where the image may really have the finding."""
    scores = calibration.probability(np.stack([c.logits for c in cases]))
    for finding in defect_names():
        graded = [grade for grade, named in GRADED_AS.items() if named == finding]
        may_be = [
            (finding in OBJECTS and case.record.has(finding) is not False)
            or any(case.record.grades.get(grade, 0) for grade in graded)
            for case in cases
        ]
        scores[may_be, COLUMN[finding]] = np.nan
    return scores


def _labelled(
    cases: list[JudgedCase], column: int, name: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Logits of a class, its truth, and whether each case is in the second half of patients; no uncertain cases."""
    logits, targets, second = [], [], []
    for case in cases:
        truth: bool | None = case.made == name
        if name in OBJECTS and not truth:
            truth = case.record.has(name)
        if name == FindingName.NOISE and case.made == FindingName.UNDEREXPOSURE:
            truth = None  # too little dose is noisy as well
        if case.made in gate_names() and name not in gate_names():
            truth = None
        if truth is not None:
            logits.append(float(case.logits[column]))
            targets.append(truth)
            second.append(held_out_half(case.record))
    return np.array(logits, np.float64), np.array(targets, bool), np.array(second, bool)


def held_out_half(record: DatasetRecord) -> bool:
    """Whether the patient is in the second half of the held-out patients."""
    return hashlib.sha256(record.patient.encode()).digest()[0] % 2 == 0


def _plain(data: QualityData, record: DatasetRecord) -> Image:
    return data.cache[record.path].astype(np.float32) / np.float32(255)


def _gate_cases(graph: ImageJudge, data: QualityData, load: Any, seed: int) -> list[JudgedCase]:
    rng = np.random.default_rng((seed, 99))
    cases = [judge(graph, r, gate.inverted(load(r)), GateClass.INVERTED, 1.0) for r in data.held_out]
    for record in data.held_out[:GATE_DRAWS]:
        for name, image in (
            (GateClass.BLANK, gate.blank((448, 420), rng)),
            (GateClass.NOT_FRONTAL_CHEST, gate.phantom((448, 420), rng)),
            (GateClass.NOT_FRONTAL_CHEST, gate.not_frontal_chest(load(record), rng)),
        ):
            cases.append(judge(graph, record, image, name, 1.0))
    return cases
