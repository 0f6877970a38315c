"""``miqa-node evaluate``: one package, one set of images, every figure of the protocol as JSON and page."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np

from miqa_node.core.taxonomy.lookup import defect_names, gate_names
from miqa_training.evaluate import MARKED, EvaluationCases, figures_of
from miqa_training.outlines import real_objects
from miqa_training.pointing import BOTH, evaluate_pointing
from miqa_training.report import measures
from miqa_training.report.gallery import worst_errors
from miqa_training.report.material import EvaluationMaterial, is_protocol, labelled, protocol
from miqa_training.report.page import write_page
from miqa_training.report.subject import EvaluationSubject
from miqa_training.samples import CLASSES, COLUMN

REPORT_NAME, FIGURES_NAME = "report.html", "figures.json"


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """The contents of the report.

    ``draws``: simulations per image and finding; ``against``: further packages judged on the same images; ``methods``:
    saliency methods to evaluate, on up to ``saliency_images`` images (0: none), of which ``curves`` get insertion and
    deletion; ``gallery``: number of worst misses and false alarms per finding.
    """

    draws: int = 2
    seed: int = 7
    simulate: bool = False
    against: tuple[Path, ...] = ()
    methods: tuple[str, ...] = ()
    saliency_images: int = 1000
    curves: int = 12
    gallery: int = 2


def evaluate_package(package: Path, source: Path, out: Path, wishes: EvaluationOptions) -> dict[str, Any]:
    """Write ``out/report.html`` and ``out/figures.json``; returns the figures.

    Raises
    ------
    ModelPackageError, SettingsError
        The package or the images are unusable; the message gives the reason.
    """
    subject = EvaluationSubject(package)
    material = _material(subject, source, wishes)
    figures = _figures(subject, material)
    figures["comparison"] = [
        _row(subject, figures),
        *(
            _row(other, _figures(other, _material(other, source, wishes)))
            for other in map(EvaluationSubject, wishes.against)
        ),
    ]
    figures["saliency"] = _saliency(subject, package, source, wishes)
    figures = cast("dict[str, Any]", _without_nan(figures))
    out.mkdir(parents=True, exist_ok=True)
    (out / FIGURES_NAME).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    write_page(out / REPORT_NAME, figures, worst_errors(subject, material, wishes.gallery))
    return figures


def _without_nan(value: Any) -> Any:
    """Replace NaN by null, because JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _material(subject: EvaluationSubject, source: Path, wishes: EvaluationOptions) -> EvaluationMaterial:
    if is_protocol(source):
        return protocol(subject, source, seed=wishes.seed, draws=wishes.draws)
    return labelled(subject, source, simulate=wishes.simulate, seed=wishes.seed, draws=wishes.draws)


def _figures(subject: EvaluationSubject, material: EvaluationMaterial) -> dict[str, Any]:
    judged, scales = material.judged, subject.scales
    shown = [d for d in defect_names() if d in subject.known and measures.positives(judged, d)]
    findings = {}
    for finding in shown:
        column = COLUMN[finding]
        bad, good = measures.positives(judged, finding), measures.negatives(judged, finding)
        probability = [scales.probability(np.array([c.logits for c in group]))[:, column] for group in (bad, good)]
        mixture, present = measures.labelled(judged, finding)
        stated = scales.probability(np.array([c.logits for c in mixture]))[:, column]
        findings[finding] = {
            **measures.finding_curves(judged, finding),
            **measures.classification(probability[0], probability[1], scales.threshold[column]),
            "reliability": measures.reliability(stated, present),
        }
    means = [row["auroc"] for row in findings.values()]
    identity = subject.package.identity
    return {
        "package": {
            "name": subject.package.name,
            "sha256": identity.sha256,
            "judges": "measurements" if subject.package.judges_measurements else "pixels",
        },
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {subject.package.session.provider}",
        "data": material.text,
        "simulated": material.simulated,
        "left_out": dict(material.left_out),
        "marked": MARKED,
        "mean_auroc": round(float(np.mean(means)), 3),
        "worst": min(findings, key=lambda name: float(findings[name]["auroc"])),
        "findings": findings,
        "not_judged": [d for d in defect_names() if d not in shown],
        "confusion": measures.confusion(judged, scales.probability, scales.threshold),
        "population": measures.by_population(judged, material.population),
        "gate": _gate(judged),
        "card_figures": _card_figures(judged, subject),
        "milliseconds": round(subject.milliseconds(), 1),
    }


def _card_figures(judged: EvaluationCases, subject: EvaluationSubject) -> dict[str, Any] | None:
    """The figures in the form of cards; only if a package with all classes judged the protocol."""
    if not judged.peaks or len(subject.known) < len(CLASSES):
        return None
    return figures_of(judged, subject.scales.probability, subject.scales.threshold)


def _gate(judged: EvaluationCases) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for gate in gate_names():
        bad = [c for c in judged.gates if c.made == gate]
        if bad:
            rows[gate] = measures.interval(bad, judged.clean, COLUMN[gate])
    return rows


def _row(subject: EvaluationSubject, figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "package": subject.package.name,
        "kind": "measurements" if subject.package.judges_measurements else "pixels",
        "mean_auroc": figures["mean_auroc"],
        "findings": {name: row["auroc"] for name, row in figures["findings"].items()},
        "milliseconds": figures["milliseconds"],
    }


def _saliency(
    subject: EvaluationSubject, package: Path, source: Path, wishes: EvaluationOptions
) -> dict[str, Any] | None:
    """All methods on the annotated images; None without annotated images or without maps in the package."""
    if (
        not wishes.saliency_images
        or subject.package.judges_measurements
        or package.is_file()
        or not is_protocol(source)
    ):
        return None
    annotated = real_objects(source)
    step = max(1, -(-len(annotated) // wishes.saliency_images))
    methods: Sequence[str] = wishes.methods
    return evaluate_pointing(package, annotated[::step], finding=BOTH, methods=methods, curves=wishes.curves)
