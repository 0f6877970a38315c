"""``miqa-node train classical``: fits every classical model to the network's samples, evaluates on its images."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_training.calibrate import CalibrationCases, QualityCalibration, calibration_of
from miqa_training.classical.features import FEATURES, MeasurementJudge, Treatment
from miqa_training.classical.models import KINDS, SHIPPED, ClassicalModel, fit_model
from miqa_training.classical.package import NAME, write_classical_package
from miqa_training.classical.pages import write_comparison
from miqa_training.classical.table import (
    CACHE,
    DRAWS,
    SAMPLES,
    FeatureTable,
    calibration_table,
    evaluation_table,
    training_table,
)
from miqa_training.corpus import CACHE as IMAGES
from miqa_training.corpus import read_quality_data
from miqa_training.evaluate import EvaluationCases, figures_of
from miqa_training.report import measures
from miqa_training.samples import COLUMN
from miqa_training.scores import JudgedCase, auroc

RUNS = Path("training-runs")
TIMED_SIDE_PX, TIMED_ROUNDS = 2048, 7
LEFT_OUT_OF_CARDS = frozenset({"confusion", "errors", "operating_points", "fit_s", "roc"})
SIMULATED = (
    "The samples of the network's training (same seed, same simulators), each measured once; findings that a sample "
    "leaves undecided are left out of that finding's fit."
)


@dataclass(frozen=True, slots=True)
class ClassicalResult:
    """The result of one kind of model."""

    model: ClassicalModel
    calibration: QualityCalibration
    judged: EvaluationCases
    figures: dict[str, Any]


def train_classical(
    data_dir: Path, out_dir: Path, *, kinds: Sequence[str] = tuple(KINDS), seed: int = 1, version: str = "0.1.0",
    samples: int = SAMPLES, draws: int = DRAWS, treatment: Treatment | None = None, against: Path | None = None,
    report_dir: Path | None = None,
    cache_dir: Path = CACHE, image_cache: Path = IMAGES,
) -> dict[str, Any]:  # fmt: skip
    """Fit, calibrate, evaluate and compare; returns the comparison.

    ``report_dir`` (by default a folder of training-runs) gets ``comparison.json`` and ``comparison.html``. If the
    logistic regression is one of the kinds and the images are untreated, its package is written to
    ``out_dir/quality-classical-<version>/``. ``against`` is the network's package; its card gives the network's row.
    """
    treatment = treatment or Treatment()
    data = read_quality_data(data_dir, image_cache)
    started = time.perf_counter()
    table = training_table(data, treatment, seed=seed, samples=samples, cache_dir=cache_dir)
    cases = calibration_table(data, treatment, cache_dir=cache_dir)
    judged = evaluation_table(data_dir, data, treatment, cache_dir=cache_dir, draws=draws)
    outcomes = [_outcome(fit_model(kind, table, seed), cases, judged, treatment) for kind in kinds]
    rows = [*([_network_row(against)] if against else []), *(_row(outcome) for outcome in outcomes)]
    command = f"miqa-node train classical --data DIR --out models --samples {samples} --seed {seed}"
    comparison: dict[str, Any] = {
        "data": outcomes[0].figures["data"],
        "treatment": treatment.name,
        "measurements": list(FEATURES),
        "samples": samples,
        "seed": seed,
        "rows": rows,
        "outcomes": {outcome.model.name: outcome.figures for outcome in outcomes},
    }
    folder = report_dir or RUNS / f"classical-{version}-{treatment.name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "comparison.json").write_text(json.dumps(comparison, indent=1) + "\n", encoding="utf-8")
    write_comparison(folder / "comparison.html", comparison, {o.model.name: o.model for o in outcomes}, table)
    shipped = next((o for o in outcomes if o.model.name == SHIPPED), None)
    if shipped is not None and treatment == Treatment():
        training = _training(command, seed, samples, time.perf_counter() - started, shipped.model)
        usual = usual_measurements(shipped.model, table)
        comparison["package"] = str(
            write_classical_package(
                shipped.model, usual, out_dir / f"{NAME}-{version}", shipped.calibration, data, training,
                _card_metrics(shipped, comparison["rows"]), version,
            )
        )  # fmt: skip
    comparison["report"] = str(folder / "comparison.html")
    return comparison


def usual_measurements(model: ClassicalModel, table: FeatureTable) -> NDArray[np.float32]:
    """The scaled measurements of a typical good image, shape (F,): medians over the samples without a defect."""
    good = np.all(table.present <= 0, axis=1)
    rows = model.scale.standardise(table.features[good] if good.any() else table.features)
    return np.asarray(np.median(rows, axis=0), np.float32)


def _outcome(
    model: ClassicalModel, calibration_cases: CalibrationCases, judged: EvaluationCases, treatment: Treatment
) -> ClassicalResult:
    case_set = CalibrationCases(
        *(
            _answers(model, cases)
            for cases in (calibration_cases.everything, calibration_cases.clean, calibration_cases.elsewhere)
        )
    )
    calibration = calibration_of(case_set)
    answered = EvaluationCases(
        clean=_answers(model, judged.clean),
        simulated=_answers(model, judged.simulated),
        unseen=_answers(model, judged.unseen),
        gates=_answers(model, judged.gates),
        peaks=judged.peaks,
    )
    figures = figures_of(answered, calibration.probability, calibration.threshold)
    figures["real_objects"] = {k: v for k, v in figures["real_objects"].items() if k in ("auroc", "interval", "images")}
    figures["operating_points"] = _operating_points(answered, calibration)
    figures["confusion"] = measures.confusion(answered, calibration.probability, calibration.threshold)
    figures["errors"] = _errors(answered, calibration)
    figures["roc"] = {d: _roc(answered, COLUMN[d], d) for d in defect_names()}
    figures["held_out_auroc"] = _held_out(case_set)
    figures["milliseconds"] = round(_milliseconds(model, treatment), 1)
    figures["fit_s"] = round(model.fit_s, 1)
    return ClassicalResult(model, calibration, answered, figures)


def _held_out(cases: CalibrationCases) -> float:
    """Mean AUROC on held-out patients of the training hospitals, the figure for choosing a model."""
    judged = EvaluationCases(cases.clean, cases.everything, [], [], [])
    groups = [(measures.positives(judged, d), measures.negatives(judged, d), COLUMN[d]) for d in defect_names()]
    return round(float(np.mean([auroc(measures.scores(b, c), measures.scores(g, c)) for b, g, c in groups])), 3)


def _answers(model: ClassicalModel, cases: Sequence[JudgedCase]) -> list[JudgedCase]:
    """The cases with the model's logits in place of the measurements."""
    if not cases:
        return []
    logits, severity = model.judge(np.stack([c.logits for c in cases]))
    return [replace(c, logits=logits[i], severity=severity[i]) for i, c in enumerate(cases)]


def _operating_points(judged: EvaluationCases, calibration: QualityCalibration) -> dict[str, Any]:
    """Accuracy, precision, recall, F1 and counts of each finding, and their means."""
    rows = {}
    for finding in defect_names():
        column = COLUMN[finding]
        bad, good = (
            calibration.probability(np.stack([c.logits for c in group]))[:, column]
            for group in (measures.positives(judged, finding), measures.negatives(judged, finding))
        )
        rows[finding] = measures.classification(bad, good, float(calibration.threshold[column]))
    names = ("accuracy", "precision_at_point", "recall", "specificity", "f1")
    means = {name: round(float(np.mean([row[name] or 0.0 for row in rows.values()])), 3) for name in names}
    return {"findings": rows, "mean": means}


def _errors(judged: EvaluationCases, calibration: QualityCalibration) -> dict[str, Any]:
    """Where a model errs: misses by severity and source, false alarms by source, and the finding stated instead."""
    errors: dict[str, Any] = {}
    for finding in defect_names():
        column = COLUMN[finding]
        bad, good = measures.positives(judged, finding, 0.0), measures.negatives(judged, finding)
        missed = [c for c in bad if calibration.probability(c.logits)[column] < calibration.threshold[column]]
        alarms = [c for c in good if calibration.probability(c.logits)[column] >= calibration.threshold[column]]
        errors[finding] = {
            "missed_by_severity": _shares(missed, bad, lambda c: str(c.level)),
            "missed_by_source": _shares(missed, bad, lambda c: c.record.source),
            "false_alarms_by_source": _shares(alarms, good, lambda c: c.record.source),
        }
    return errors


def _roc(judged: EvaluationCases, column: int, finding: FindingName) -> list[float]:
    bad, good = measures.positives(judged, finding), measures.negatives(judged, finding)
    return [round(float(v), 3) for v in measures.roc(measures.scores(bad, column), measures.scores(good, column))]


def _shares(part: Sequence[JudgedCase], whole: Sequence[JudgedCase], key: Any) -> dict[str, float]:
    names = sorted({key(c) for c in whole})
    return {n: round(sum(key(c) == n for c in part) / sum(key(c) == n for c in whole), 3) for n in names}


def _milliseconds(model: ClassicalModel, treatment: Treatment) -> float:
    """Median time for a 2048 × 2048 image from display values to logits; nearly all of it is measuring."""
    display = np.random.default_rng(0).integers(0, 65536, (TIMED_SIDE_PX, TIMED_SIDE_PX)).astype(np.uint16)
    measurer, times = MeasurementJudge(treatment), []
    for _ in range(TIMED_ROUNDS):
        started = time.perf_counter()
        model.judge(measurer.features(display)[None])
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e3


def _row(outcome: ClassicalResult) -> dict[str, Any]:
    simulated, figures = outcome.figures["simulated"], outcome.figures
    return {
        "package": outcome.model.name,
        "mean_auroc": simulated["mean_auroc"],
        "findings": {name: row["auroc"] for name, row in simulated["findings"].items()},
        "held_out_auroc": figures["held_out_auroc"],
        "real_objects": figures["real_objects"]["auroc"],
        **figures["operating_points"]["mean"],
        "milliseconds": figures["milliseconds"],
    }


def _network_row(package: Path) -> dict[str, Any]:
    """The network's figures on the same images, from its card."""
    metrics: Mapping[str, Any] = yaml.safe_load((package / "card.yaml").read_text("utf-8"))["metrics"]
    simulated = metrics["simulated"]
    milliseconds = str(metrics.get("milliseconds", "")).split(" ", maxsplit=1)[0]
    return {
        "package": package.resolve().name,
        "mean_auroc": simulated["mean_auroc"],
        "findings": {name: row["auroc"] for name, row in simulated["findings"].items()},
        "real_objects": metrics["real_objects"]["auroc"],
        "milliseconds": float(milliseconds) if milliseconds.replace(".", "").isdigit() else None,
    }


def _card_metrics(outcome: ClassicalResult, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    figures = {k: v for k, v in outcome.figures.items() if k not in LEFT_OUT_OF_CARDS}
    figures["milliseconds"] = (
        f"{outcome.figures['milliseconds']:.0f} ms for 2048 x 2048 pixels from display values to findings, measuring "
        "included; the node measures every image anyhow"
    )
    figures["operating_points"] = outcome.figures["operating_points"]["mean"]
    figures["compared"] = [
        {
            "model": r["package"],
            "mean_auroc": r["mean_auroc"],
            "real_objects": r["real_objects"],
            "ms": r["milliseconds"],
        }
        for r in rows
    ]
    return figures


def _training(command: str, seed: int, samples: int, elapsed_s: float, model: ClassicalModel) -> dict[str, Any]:
    return {
        "command": command,
        "simulated": SIMULATED,
        "model": "logistic regression on 15 standardised measurements, one per finding; severity by ridge regression",
        "seed": seed,
        "samples": samples,
        "minutes": round(elapsed_s / 60.0, 1),
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()})",
        "parameters": 2 * sum(head.weights.size + 1 for head in model.severity),
    }
