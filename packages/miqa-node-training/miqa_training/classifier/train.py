"""``miqa-node train classifier``: from labelled images to a complete package and its evaluation report."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.assess.classify.card import ClassifierCard
from miqa_node.stages.assess.classify.classifier import TAP
from miqa_node.stages.assess.classify.picture import PictureInput
from miqa_training.architectures import Architecture, ClassifierNet, build
from miqa_training.classifier.calibrate import ClassifierThreshold, fit_temperature, softmax, threshold_for_recall
from miqa_training.classifier.data import ClassifierPart, LabelledImage, PixelReader, labels_of, read_examples
from miqa_training.classifier.export import export_classifier
from miqa_training.classifier.figures import confusion, curves, figures_of, threshold_rows
from miqa_training.classifier.fit import ClassifierRecipe, fit, logits_of
from miqa_training.classifier.package import write_package
from miqa_training.classifier.page import write_report
from miqa_training.pretrained import pretrained

RUNS = Path("training-runs")


@dataclass(frozen=True, slots=True)
class ClassifierRequest:
    """The user's choices for a training; the card keeps them."""

    name: str
    version: str = "0.1.0"
    architecture: Architecture = Architecture.RESNET
    pretrained: Path | None = None
    size_px: int = 128
    colour: bool | None = None
    """None: as in the images."""
    positive: str = ""
    recall_target: float = 0.95
    intended_use: str = ""
    clinical: bool = True
    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    licence: str = ""
    recipe: ClassifierRecipe = field(default_factory=ClassifierRecipe)


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """A part with the fitted network's logits."""

    examples: list[LabelledImage]
    logits: NDArray[np.float64]
    truth: NDArray[np.int64]

    @property
    def patients(self) -> list[str]:
        """The patient of each image."""
        return [example.patient for example in self.examples]


@dataclass(frozen=True, slots=True)
class ClassifierPackage:
    """The package ``<name>-<version>``, the report of the run, and the figures of both."""

    package: Path
    report: Path
    metrics: dict[str, Any]


def train_classifier(
    source: Path, out_dir: Path, request: ClassifierRequest, run_dir: Path | None = None
) -> ClassifierPackage:
    """Fit, calibrate, choose the threshold, test, and write package and report.

    Raises
    ------
    ValueError
        The data are unsuitable, or a choice does not fit them; the message says what to do.
    """
    started = time.monotonic()
    run_dir = run_dir or RUNS / f"{request.name}-{request.version}"
    run_dir.mkdir(parents=True, exist_ok=True)
    examples = read_examples(source, request.recipe.seed)
    names = labels_of(examples)
    positive = positive_column(request.positive, names, examples)
    pixels = PixelReader()
    try:
        spec = picture_input(request, pixels, examples)
        parts = {part: [e for e in examples if e.part is part] for part in ClassifierPart}
        pictures = {part: pixels.prepared(some, spec) for part, some in parts.items()}
        net = start(request, len(names), spec.channels)
        labels = [names.index(e.label) for e in parts[ClassifierPart.TRAIN]]
        net = fit(
            net, pictures[ClassifierPart.TRAIN], labels, request.recipe, starts_trained=request.pretrained is not None
        )
        scored = {
            part: _scored(net, parts[part], pictures[part], names)
            for part in (ClassifierPart.VALIDATE, ClassifierPart.TEST)
        }
        chosen = scored[ClassifierPart.VALIDATE]
        temperature = fit_temperature(chosen.logits, chosen.truth)
        threshold = _threshold(chosen, temperature, positive, request.recall_target)
        metrics, shown = _tested(scored, temperature, threshold, positive, names, request)
        graph = run_dir / "graph.onnx"
        difference = export_classifier(net, graph, spec.channels, spec.rows, spec.columns)
        card = _card(request, spec, names, examples, temperature, threshold, positive, metrics)
        card["training"] |= {
            "minutes": round((time.monotonic() - started) / 60.0, 1),
            "parameters": sum(p.numel() for p in net.parameters()),
            "largest_difference_of_graph_and_torch": float(f"{difference:.2g}"),
        }
        learned = [pixels.marks[e.path] for e in examples if e.part is not ClassifierPart.TEST]
        package = write_package(out_dir / f"{request.name}-{request.version}", graph, card, learned)
        report = write_report(run_dir / "report.html", package, card, shown, parts[ClassifierPart.TEST], pixels)
    finally:
        pixels.close()
    return ClassifierPackage(package, report, metrics)


def positive_column(positive: str, names: Sequence[str], examples: Sequence[LabelledImage]) -> int | None:
    """The label whose recall has priority: the stated one; of two labels the rarer one; of more labels none."""
    if positive:
        if positive not in names:
            raise ValueError(f"There is no label {positive!r} to put first; the labels are {', '.join(names)}.")
        return names.index(positive)
    if len(names) > 2:
        return None
    counts = Counter(example.label for example in examples)
    return min(range(2), key=lambda column: (counts[names[column]], -column))


def picture_input(request: ClassifierRequest, pixels: PixelReader, examples: Sequence[LabelledImage]) -> PictureInput:
    """The package's preprocessing; the network takes -1 to 1."""
    colour = pixels.have_colour(examples) if request.colour is None else request.colour
    return PictureInput(
        rows=request.size_px,
        columns=request.size_px,
        channels=3 if colour else 1,
        colour=colour,
        mean=(0.5,),
        std=(0.5,),
    )


def start(request: ClassifierRequest, classes: int, channels: int) -> ClassifierNet:
    """The network before training."""
    import torch  # noqa: PLC0415 - the seed must be set before the weights are drawn, nothing else needs it here

    torch.manual_seed(request.recipe.seed)
    if request.pretrained is None:
        return build(request.architecture, classes, channels)
    return pretrained(request.architecture, request.pretrained, classes, channels)


def _scored(
    net: ClassifierNet, examples: list[LabelledImage], pictures: NDArray[np.uint8], names: Sequence[str]
) -> ScoredPart:
    truth = np.array([names.index(example.label) for example in examples], np.int64)
    return ScoredPart(examples, logits_of(net, pictures), truth)


def _threshold(part: ScoredPart, temperature: float, positive: int | None, target: float) -> ClassifierThreshold | None:
    if positive is None:
        return None
    probability = softmax(part.logits / temperature)[:, positive]
    return threshold_for_recall(probability, part.truth == positive, target)


def labels_said(
    probability: NDArray[np.float64], threshold: ClassifierThreshold | None, positive: int | None
) -> NDArray[np.int64]:
    """The labels of the package, by the rule of ``label``."""
    likeliest: NDArray[np.int64] = probability.argmax(axis=1)
    if threshold is None or positive is None:
        return likeliest
    others = probability.copy()
    others[:, positive] = -1.0
    return np.where(probability[:, positive] >= threshold.value, positive, others.argmax(axis=1))


def _tested(
    scored: dict[ClassifierPart, ScoredPart], temperature: float, threshold: ClassifierThreshold | None,
    positive: int | None,
    names: Sequence[str], request: ClassifierRequest,
) -> tuple[dict[str, Any], dict[str, Any]]:  # fmt: skip
    """The figures of a card, and further data for the report."""
    test = scored[ClassifierPart.TEST]
    probability = softmax(test.logits / temperature)
    predictions = labels_said(probability, threshold, positive)
    figures = figures_of(probability, test.truth, predictions, test.patients, names, positive, seed=request.recipe.seed)
    metrics: dict[str, Any] = {"test": figures}
    shown: dict[str, Any] = {
        "probability": probability,
        "said": predictions,
        "truth": test.truth,
        "confusion": confusion(test.truth, predictions, names),
        "curves": curves(probability, test.truth, names),
        "thresholds": [],
    }
    if threshold is not None and positive is not None:
        metrics["threshold"] = {
            "chosen_on": "validation part, highest threshold that keeps the recall",
            "label": names[positive],
            "recall_target": request.recall_target,
            "threshold": round(threshold.value, 4),
            "validation_recall": round(threshold.recall, 4),
            "validation_precision": round(threshold.precision, 4),
            "validation_images": int((scored[ClassifierPart.VALIDATE].truth == positive).sum()),
        }
        shown["thresholds"] = threshold_rows(probability[:, positive], test.truth == positive, threshold)
    return metrics, shown


def _card(
    request: ClassifierRequest, spec: PictureInput, names: Sequence[str], examples: Sequence[LabelledImage],
    temperature: float,
    threshold: ClassifierThreshold | None, positive: int | None, metrics: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    counts = {part: Counter(e.label for e in examples if e.part is part) for part in ClassifierPart}
    point = None
    if threshold is not None and positive is not None:
        point = {"label": names[positive], "threshold": round(threshold.value, 6)}
    limits = [
        (
            "The figures hold for images like those it was trained and tested on, which come from the same collection; "
            "another hospital, scanner or population was not tested."
        ),
        "It always says one of its labels, also of an image that shows something else.",
    ]
    if not request.modality or not request.body_part:
        limits.append(
            "No modality or body part was named at training: switch it on only for the scope it was made for."
        )
    card = {
        "task": "classification",
        "name": request.name,
        "version": request.version,
        "intended_use": request.intended_use or f"Tells {', '.join(names[:-1])} and {names[-1]} apart.",
        "not_for": ["diagnosis: what it says is decision support", "images unlike those of its training data"],
        "limits": limits,
        "applicability": {"modality": list(request.modality), "body_part": list(request.body_part), "view": []},
        "clinical": request.clinical,
        "picture": spec.model_dump(mode="json"),
        "labels": [{"name": name} for name in names],
        "members": [{"architecture": request.architecture.value, "temperature": round(temperature, 6), "tap": TAP}],
        "operating_point": point,
        "calibration": {
            "method": "temperature of greatest likelihood on the validation part, every label weighing the same",
            "temperature": round(temperature, 4),
            "validation_images": sum(counts[ClassifierPart.VALIDATE].values()),
        },
        "training": {
            "command": _command(request),
            "date": datetime.now(UTC).date().isoformat(),
            "data": [
                {"label": name, "licence": request.licence or "not stated",
                 **{f"{part.value}_images": counts[part][name] for part in ClassifierPart},
                 "patients": len({e.patient for e in examples if e.label == name})}
                for name in names
            ],
            "balance": "every label is drawn equally often",
            "split": "by patient, or by identical bytes where no patient is known; no patient is in two parts",
            "seed": request.recipe.seed,
            "machine": f"{os.cpu_count()} CPU cores ({platform.machine()})",
            "starts_from": request.pretrained.name if request.pretrained else "fresh weights",
        },
        "metrics": metrics,
        "golden": [],
        "files": {},
    }  # fmt: skip
    checked = ClassifierCard.model_validate(card)
    return {k: v for k, v in checked.model_dump(mode="json").items() if k != "files"}


def _command(request: ClassifierRequest) -> str:
    """The command that makes the package again, without folder names."""
    parts = [
        "miqa-node train classifier --data DATA --out models", f"--name {request.name} --version {request.version}",
        f"--arch {request.architecture.value} --size {request.size_px} --epochs {request.recipe.epochs}",
        f"--seed {request.recipe.seed} --recall-target {request.recall_target:g}",
    ]  # fmt: skip
    if request.positive:
        parts.append(f"--positive '{request.positive}'")
    if request.pretrained:
        parts.append(f"--pretrained {request.pretrained.name}")
    return " ".join(parts)
