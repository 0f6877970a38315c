"""Figures of a package on unseen hospitals: simulated defects, clean images, real objects, the gate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName, GateClass
from miqa_node.core.observe.progress import counted
from miqa_node.core.taxonomy.lookup import defect_names, gate_names
from miqa_node.libraries.plain_statistics.bootstrap import limits_of_draws
from miqa_training.corpus import QualityData, real_cutouts
from miqa_training.datasets import REAL_KINDS, DatasetRecord, read_records
from miqa_training.degrade import DonorMaterial, gate
from miqa_training.grain_check import grain_figures
from miqa_training.graph import ImageJudge
from miqa_training.hospitals import Observations, by_hospital, separation
from miqa_training.pointing import chance, hit, peak
from miqa_training.readers import THINGS, agreement, object_agreement, pointing
from miqa_training.samples import COLUMN, GRADED_AS, OBJECTS
from miqa_training.scores import (
    JudgedCase,
    auroc,
    auroc_interval,
    judge,
    judge_simulated,
    read_image,
    sixteen_bits,
)

LEVELS = (0.25, 0.5, 0.75, 1.0)
MARKED = 0.5
"""Minimum severity for the target figures."""
OBJECT = FindingName.FOREIGN_OBJECT
DEVELOPMENT = (
    "development set: looked at many times, it chose designs and operating points, and trained nothing; figures on "
    "images of further hospitals may be worse"
)
MEANS = ("auroc", "auroc_macro", "auroc_against_free", "auroc_within_source", "severity_rank_correlation")
"""Figures of a finding whose mean over the findings is also reported."""
GRAIN_STEP = 3
"""One image in this many is also judged with other grain and rounding; see :mod:`.grain_check`."""
NATIVE_PX = 1400
"""Minimum longer side of an image with about the pitch of a detector."""

Probability = Callable[[NDArray[np.floating]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class EvaluationCases:
    """All cases of an evaluation with the model's results.

    ``unseen`` are simulated objects of the family that training does not use; ``gates`` images other than frontal
    chests; ``peaks`` the peak, (x, y) as fractions, of the combined map of objects and devices of each image that has
    real ones; ``peaks_of`` the peak of each of the two maps for every image; ``grain`` comes from :mod:`.grain_check`.
    """

    clean: list[JudgedCase]
    simulated: list[JudgedCase]
    unseen: list[JudgedCase]
    gates: list[JudgedCase]
    peaks: list[tuple[DatasetRecord, tuple[float, float]]]
    peaks_of: dict[str, list[tuple[DatasetRecord, tuple[float, float]]]] = field(default_factory=dict)
    grain: dict[str, Any] = field(default_factory=dict)


def evaluate_graph(
    graph: ImageJudge, probability: Probability, thresholds: NDArray[np.float64], data_dir: Path,
    training: QualityData, *, seed: int = 7, draws: int = 1,
) -> dict[str, Any]:  # fmt: skip
    """All figures as plain data; ``draws`` simulations per image and finding (objects: three times as many)."""
    return figures_of(collect(graph, data_dir, training, seed=seed, draws=draws), probability, thresholds)


def collect(
    graph: ImageJudge, data_dir: Path, training: QualityData | None, *, seed: int = 7, draws: int = 1
) -> EvaluationCases:
    """Judge the images of ``cxr_eval`` unchanged and with simulated defects; the same seed gives the same images.

    Without ``training`` there are no cut-outs of real objects, and ``unseen`` stays empty.
    """
    records = read_records(data_dir / "cxr_eval", data_dir / "annotations" / "eval.jsonl")
    spotless = [r for r in records if not may_show_things(r)]
    others = [d for d in defect_names() if d not in OBJECTS]
    simulated = judge_simulated(graph, records, read_image, others, LEVELS, seed=seed, draws=draws)
    simulated += judge_simulated(graph, spotless, read_image, list(OBJECTS), LEVELS, seed=seed, draws=3 * draws)
    unseen: list[JudgedCase] = []
    for finding, kinds in OBJECTS.items():
        pieces = real_cutouts(training.held_out, training.cache, kinds) if training is not None else []
        if pieces:
            unseen += judge_simulated(
                graph, spotless, read_image, [finding], LEVELS, seed=seed + 1, draws=2 * draws,
                material=DonorMaterial(cutouts=pieces), family="cutouts",
            )  # fmt: skip
    clean = [judge(graph, r, read_image(r)) for r in counted(records, "Judging")]
    peaks = {r.path: peaks_of(graph, r) for r in records if r.objects}
    return EvaluationCases(
        clean=clean,
        simulated=simulated,
        unseen=unseen,
        gates=_judge_gates(graph, records, seed),
        peaks=[(r, peaks[r.path]["both"]) for r in records if r.has_real_object],
        peaks_of={things: [(r, peaks[r.path][things]) for r in records if r.objects] for things in THINGS},
        grain=grain_figures(graph, records[::GRAIN_STEP], clean, others),
    )


def may_show_things(record: DatasetRecord) -> bool:
    """Whether the image has, or may have, an object or a device."""
    return not (record.has_removable is False and record.has_device is False)


def figures_of(judged: EvaluationCases, probability: Probability, thresholds: NDArray[np.float64]) -> dict[str, Any]:
    """The figures of a card's section ``metrics``."""
    clean, simulated = judged.clean, judged.simulated
    findings = {d: _finding(d, clean, simulated) for d in defect_names()}
    means = {key: _mean_of([row[key] for row in findings.values()]) for key in MEANS}
    patients = {c.record.patient for c in clean}
    flagged = np.stack([probability(c.logits)[COLUMN[OBJECT]] >= thresholds[COLUMN[OBJECT]] for c in clean])
    return {
        "data": f"{len(clean)} images, {len(patients)} patients, hospitals not seen in training",
        "note": DEVELOPMENT,
        "readers": agreement(clean, probability),
        "objects": object_agreement(clean, flagged),
        "pointing": {things: pointing(things, peaks) for things, peaks in judged.peaks_of.items()},
        "delivery": judged.grain,
        "simulated": {
            "severity": (
                f"{MARKED} and more against all images as they are; intervals by bootstrap over patients. Beside it: "
                "against the images in which readers saw nothing of the finding, and the same within each hospital"
            ),
            "mean_auroc": means["auroc"],
            "mean_auroc_against_free": means["auroc_against_free"],
            "mean_auroc_within_source": means["auroc_within_source"],
            "mean_auroc_macro": means["auroc_macro"],
            "worst": min(findings, key=lambda name: findings[name]["auroc"]),
            "mean_severity_rank_correlation": means["severity_rank_correlation"],
            "findings": findings,
            "unseen_object_family": _family(clean, simulated, judged.unseen),
        },
        "clean": clean_figures(clean, probability, thresholds),
        "real_objects": real_object_figures(judged),
        "gate": _gate(judged),
    }


def _finding(finding: FindingName, clean: Sequence[JudgedCase], simulated: Sequence[JudgedCase]) -> dict[str, Any]:
    column = COLUMN[finding]
    negatives = [c for c in clean if finding not in OBJECTS or c.record.has(finding) is False]
    mine = [c for c in simulated if c.made == finding]
    marked = [c for c in mine if c.level >= MARKED]
    value, low, high = _interval(marked, negatives, column)
    macro = by_hospital(_observed(marked, negatives, column), separation)
    by_level = {str(s): _round(_auroc([c for c in mine if c.level == s], negatives, column)) for s in LEVELS}
    native = [c for c in marked if _is_native(c.record)]
    free = [c for c in negatives if not _graded(c.record, finding)]
    return {
        "auroc": value,
        "interval": [low, high],
        "auroc_macro": macro["macro"],
        "macro_interval": macro["macro_interval"],
        "auroc_against_free": _round(_auroc(marked, free, column)),
        "auroc_within_source": _round(_within_sources(marked, free, column)),
        "by_severity": by_level,
        "recall_at_95_specificity": _recall(marked, negatives, column),
        "severity_rank_correlation": _round(_rank_correlation(mine, column)),
        "native_pitch": {
            "auroc": _round(_auroc(native, [c for c in negatives if _is_native(c.record)], column)),
            "images": len(native),
        },
    }


def _observed(positive: Sequence[JudgedCase], negative: Sequence[JudgedCase], column: int) -> Observations:
    cases = [*positive, *negative]
    return Observations(
        np.array([c.logits[column] for c in cases], np.float64),
        np.arange(len(cases)) < len(positive),
        np.array([c.record.source for c in cases], np.str_),
        np.array([c.record.patient for c in cases], np.str_),
    )


def _graded(record: DatasetRecord, finding: FindingName) -> bool:
    """Whether a reader graded the finding as present in the unchanged image."""
    return any(record.grades.get(grade, 0) for grade, named in GRADED_AS.items() if named == finding)


def _within_sources(positive: Sequence[JudgedCase], negative: Sequence[JudgedCase], column: int) -> float:
    """Mean AUROC of the hospitals, weighted by positive images: a site compares its images with each other."""
    values, weights = [], []
    for source in sorted({c.record.source for c in positive} & {c.record.source for c in negative}):
        mine = [[c for c in group if c.record.source == source] for group in (positive, negative)]
        values.append(_auroc(mine[0], mine[1], column))
        weights.append(len(mine[0]))
    return float(np.average(values, weights=weights)) if values else float("nan")


def _family(
    clean: Sequence[JudgedCase], same_family: Sequence[JudgedCase], unseen: Sequence[JudgedCase]
) -> dict[str, Any]:
    rows = {}
    for finding in OBJECTS:
        column = COLUMN[finding]
        negatives = [c for c in clean if c.record.has(finding) is False]
        drawn = [c for c in same_family if c.made == finding and c.level >= MARKED]
        cut = [c for c in unseen if c.made == f"{finding}:cutouts" and c.level >= MARKED]
        value, low, high = _interval(cut, negatives, column)
        of_drawn = _round(_auroc(drawn, negatives, column))
        rows[str(finding)] = {"drawn_auroc": of_drawn, "cutouts_auroc": value, "interval": [low, high]}
    return rows


def clean_figures(
    clean: Sequence[JudgedCase], probability: Probability, thresholds: NDArray[np.float64]
) -> dict[str, Any]:
    """How often images that a reader found clean are flagged, and by which heads."""
    flags = {True: Counter[str](), False: Counter[str]()}
    totals, flagged = Counter[bool](), Counter[bool]()
    for case in clean:
        spotless = _is_unremarkable(case.record)
        over = probability(case.logits) >= thresholds
        names = [name for name, column in COLUMN.items() if over[column] and name != FindingName.DEVICE_IN_VIEW]
        totals[spotless] += 1
        flagged[spotless] += bool(names)
        flags[spotless].update(names)
    return {
        "unremarkable_images": totals[True],
        "unremarkable_flagged": _round(flagged[True] / max(totals[True], 1)),
        "unremarkable_flagged_by": dict(flags[True].most_common()),
        "other_images": totals[False],
        "other_flagged": _round(flagged[False] / max(totals[False], 1)),
        "other_flagged_by": dict(flags[False].most_common()),
        "note": "unremarkable: no object, device or tube, every grade 0 or 1 at most in one, usable; read by eye",
    }


def _is_unremarkable(record: DatasetRecord) -> bool:
    bad = [g for name, g in record.grades.items() if name != "usable" and g]
    return (
        record.has_real_object is False
        and record.grades.get("usable") == "yes"
        and len(bad) <= 1
        and max(bad, default=0) <= 1
    )


def real_object_figures(judged: EvaluationCases) -> dict[str, Any]:
    """How well images with objects or devices are separated from others, and how often the map's peak lies on one."""
    truth = [c.record.has_real_object for c in judged.clean]
    both = [max(c.logits[COLUMN[finding]] for finding in OBJECTS) for c in judged.clean]
    groups = [[n for n, is_there in enumerate(truth) if is_there is truth_value] for truth_value in (True, False)]
    scores = [np.array([both[n] for n in group], np.float64) for group in groups]
    patients = [[judged.clean[n].record.patient for n in group] for group in groups]
    value, low, high = map(_round, auroc_interval(scores[0], patients[0], scores[1], patients[1]))
    boxes = [[b.box for b in record.boxes if b.kind in REAL_KINDS] for record, _ in judged.peaks]
    played = [hit(point, of_image) for (_, point), of_image in zip(judged.peaks, boxes, strict=True)]
    tolerant = np.array([h.tolerant for h in played], float)
    return {
        "auroc": value,
        "interval": [low, high],
        "pointing_game": _round(float(tolerant.mean())),
        "pointing_game_interval": _mean_interval(tolerant, [record.patient for record, _ in judged.peaks]),
        "pointing_game_no_tolerance": _round(float(np.mean([h.exact for h in played]))),
        "pointing_game_centre": _round(float(np.mean([hit((0.5, 0.5), of_image).tolerant for of_image in boxes]))),
        "pointing_game_random": _round(float(np.mean([chance(of_image) for of_image in boxes]))),
        "images": len(played),
        "tolerance": "2.5 % of the image's side; peak of the class map smoothed with σ = 1 cell",
    }


def peaks_of(graph: ImageJudge, record: DatasetRecord) -> dict[str, tuple[float, float]]:
    """The peak of the map of objects, of devices, and of both combined, (x, y) as fractions."""
    maps = graph(sixteen_bits(read_image(record))).maps[[COLUMN[finding] for finding in OBJECTS]]
    return {**{str(finding): peak(values) for finding, values in zip(OBJECTS, maps, strict=True)},
            "both": peak(maps.max(0))}  # fmt: skip


def _judge_gates(graph: ImageJudge, records: Sequence[DatasetRecord], seed: int) -> list[JudgedCase]:
    rng = np.random.default_rng(seed)
    cases = []
    for record in records[::3]:
        image = read_image(record)
        made = (
            (GateClass.INVERTED, gate.inverted(image)),
            (GateClass.NOT_FRONTAL_CHEST, gate.not_frontal_chest(image, rng)),
            (GateClass.NOT_FRONTAL_CHEST, gate.phantom((440, 440), rng)),
            (GateClass.BLANK, gate.blank((440, 440), rng)),
        )
        cases += [judge(graph, record, changed, kind, 1.0) for kind, changed in made]
    return cases


def _gate(judged: EvaluationCases) -> dict[str, Any]:
    return {g: _round(_auroc([c for c in judged.gates if c.made == g], judged.clean, COLUMN[g])) for g in gate_names()}


def _interval(
    positive: Sequence[JudgedCase], negative: Sequence[JudgedCase], column: int
) -> tuple[float, float, float]:
    scores = [np.array([c.logits[column] for c in group], np.float64) for group in (positive, negative)]
    patients = [[c.record.patient for c in group] for group in (positive, negative)]
    value, low, high = auroc_interval(scores[0], patients[0], scores[1], patients[1])
    return _round(value), _round(low), _round(high)


def _mean_interval(values: NDArray[np.float64], patients: Sequence[str]) -> list[float]:
    names = sorted(set(patients))
    groups = [values[[p == name for p in patients]] for name in names]
    rng = np.random.default_rng(0)
    means = [
        np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))]).mean() for _ in range(400)
    ]
    return [_round(v) for v in limits_of_draws(means, len(groups))]


def _auroc(positive: Sequence[JudgedCase], negative: Sequence[JudgedCase], column: int) -> float:
    return auroc(np.array([c.logits[column] for c in positive]), np.array([c.logits[column] for c in negative]))


def _recall(positive: Sequence[JudgedCase], negative: Sequence[JudgedCase], column: int) -> float:
    limit = np.quantile([c.logits[column] for c in negative], 0.95)
    return _round(float(np.mean([c.logits[column] > limit for c in positive])))


def _rank_correlation(cases: Sequence[JudgedCase], column: int) -> float:
    """Spearman's correlation of the stated and the simulated severity."""
    stated = _ranks(np.array([c.severity[column] for c in cases]))
    made = _ranks(np.array([c.level for c in cases]))
    return float(np.corrcoef(stated, made)[0, 1])


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[inverse], np.float64)


def _is_native(record: DatasetRecord) -> bool:
    return record.long_side_px >= NATIVE_PX


def _mean_of(values: Sequence[float | None]) -> float | None:
    """Mean of the available values; few images give no macro mean."""
    values_known = [value for value in values if value is not None]
    return _round(float(np.mean(values_known))) if values_known else None


def _round(value: float) -> float:
    return round(value, 3)
