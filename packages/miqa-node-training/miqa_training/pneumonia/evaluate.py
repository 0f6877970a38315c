"""``miqa-node evaluate pneumonia``: every figure of a finished package on unseen patients.

Each radiograph runs through the whole node: quality package, policy, anomaly, classification, routing. The benefit of
the rule "quality first" is therefore measured on the real product, once on the unchanged radiographs and once with a
strong simulated defect in each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import structlog

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.prediction import PendingReason, Prediction
from miqa_node.core.observe.progress import counted
from miqa_node.core.settings import Accelerator, Settings, load_settings
from miqa_node.local import LocalAssessor
from miqa_node.stages.assess.card import read_sections
from miqa_node.stages.assess.classify.card import MapMethod
from miqa_node.stages.assess.classify.classifier import TAP, Classifier, open_classifier
from miqa_training.degrade import degrade, pitch_of
from miqa_training.outlines import box
from miqa_training.patients import PatientPart
from miqa_training.pneumonia.data import (
    NEGATIVE,
    POSITIVE,
    BoxedImage,
    PneumoniaSample,
    Population,
    read_all,
    read_boxes,
    read_display,
    read_samples,
)
from miqa_training.pneumonia.figures import FEWEST, group_figures, routing_figures
from miqa_training.pointing import TOLERANCE, chance_of, interval_by_patient, peak, play
from miqa_training.seal import seal

log = structlog.get_logger(__name__)

DEFECTS = (
    FindingName.MOTION_BLUR, FindingName.UNSHARP, FindingName.NOISE, FindingName.OVEREXPOSURE_SATURATION,
    FindingName.CONTRAST_PROCESSING, FindingName.CLIPPED_ANATOMY, FindingName.DOUBLE_EXPOSURE,
)  # fmt: skip
SEVERITY = 1.0
STRONG = "adults, radiologists' labels"
ELSEWHERE = "adults of further hospitals"
ROUTED = ("children", "adults", STRONG, ELSEWHERE)
"""Groups by view or hospital are too small for separate routing."""


@dataclass(frozen=True, slots=True)
class PneumoniaCase:
    """A test radiograph and the node's prediction."""

    sample: PneumoniaSample
    prediction: Prediction

    @property
    def right(self) -> bool:
        """Whether the label is the true one."""
        return (self.prediction.label == POSITIVE) is self.sample.pneumonia


def evaluate_pneumonia(package: Path, data: Path, *, degraded: int = 1000) -> dict[str, Any]:
    """All figures as plain data; at most ``degraded`` radiographs also get a simulated defect."""
    settings = load_settings(None, assess={"models_dir": str(package.parent.resolve())})
    classifier = open_classifier(package, Accelerator.CPU, settings.assess)
    samples = [sample for sample in read_all(data) if sample.part in {PatientPart.TEST, PatientPart.ELSEWHERE}]
    tests = [sample for sample in samples if sample.part is PatientPart.TEST]
    spoilt = tests[:: max(1, -(-len(tests) // max(1, degraded)))] if degraded else []
    plain: list[PneumoniaCase] = []
    worse: list[PneumoniaCase] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with LocalAssessor(settings, packages=[package.name]) as assessor:
            for one in counted(samples, "Judging"):
                plain += _see(assessor, one, one.path)
            for number, one in enumerate(counted(spoilt, "Simulating defects")):
                worse += _see(assessor, one, _spoil(one, number, folder))
    if left_out := len(samples) + len(spoilt) - len(plain) - len(worse):
        log.warning("images that the node takes for another kind have no prediction, and are left out", images=left_out)
    threshold = classifier.card.operating_point.threshold if classifier.card.operating_point else 0.5
    return {
        "threshold": threshold,
        "groups": {name: _figures(group) for name, group in _groups(plain).items()},
        "routing": _routing(plain, settings),
        "routing_with_simulated_defects": _routing(worse, settings) if worse else {},
        "elsewhere": {name: _elsewhere(group, settings) for name, group in by_hospital(plain).items()},
        "pointing_game": pointing_game(classifier, data),
    }


def pointing_game(classifier: Classifier, data: Path) -> dict[str, Any]:
    """How often the peak of a map lies in a radiologist's box: the package's own map, and Grad-CAM of all members.

    On patients outside training; ``on_trained`` has the same figures for training patients, on which maps were chosen.
    """
    trained = {s.patient for s in read_samples(data / "cxr_pneumonia") if s.part is not PatientPart.TEST}
    boxed = read_boxes(data / "cxr_boxes")
    unseen = [one for one in boxed if one.patient not in trained]
    mapped = {"gradcam": _grad_cam_of_all(classifier), classifier.card.map_method.value: classifier}
    return {
        "images": len(unseen),
        "patients": len({image.patient for image in unseen}),
        "trained_on_images": len(boxed) - len(unseen),
        "methods": {
            **{name: _hits(partial(_peak, by), boxed, trained) for name, by in mapped.items()},
            "centre": _hits(lambda _: (0.5, 0.5), boxed, trained),
            "random": _hits(None, boxed, trained),
        },
    }


def _grad_cam_of_all(classifier: Classifier) -> Classifier:
    """Grad-CAM of the last features of the same networks, averaged over all members."""
    members = tuple(member.model_copy(update={"tap": TAP}) for member in classifier.card.members)
    card = classifier.card.model_copy(update={"members": members, "map_method": MapMethod.GRADCAM})
    return replace(classifier, card=card, _maps={})


def _hits(
    point: Callable[[BoxedImage], tuple[float, float]] | None, boxed: Sequence[BoxedImage], trained: set[str]
) -> dict[str, Any]:
    """The share of images whose point lies in a box; without points, the probability of a random hit."""
    hits: list[float] = []
    patients: list[str] = []
    values: list[tuple[float, float]] = []
    for image in boxed:
        outlines = [box(*one) for one in image.boxes]
        if point is None:
            value = chance_of(outlines, TOLERANCE), chance_of(outlines, 0.0)
        else:
            hit = play(point(image), outlines)
            value = float(hit.tolerant), float(hit.exact)
        if image.patient in trained:
            hits.append(value[0])
        else:
            patients.append(image.patient)
            values.append(value)
    tolerant = np.array([value[0] for value in values], np.float64)
    return {
        "pointing_game": round(float(tolerant.mean()), 4),
        "interval": [round(v, 4) for v in interval_by_patient(tolerant, patients)],
        "no_tolerance": round(float(np.mean([value[1] for value in values])), 4),
        "on_trained": round(float(np.mean(hits)), 4) if hits else None,
    }


def _peak(classifier: Classifier, image: BoxedImage) -> tuple[float, float]:
    display = read_display(image.path)
    _, inputs = classifier.see(display)
    peak_map = classifier.map_of(inputs, POSITIVE, display.shape)
    if peak_map is None:
        raise ValueError(f"{classifier.name} has no member with a tap, so no map.")
    return peak(peak_map.values)


def _see(assessor: LocalAssessor, sample: PneumoniaSample, path: Path) -> list[PneumoniaCase]:
    """The image's case; none if the node takes it for an image of another kind."""
    result = assessor.assess_file(path, modality="DX", body_part="CHEST", view=sample.view)
    return [PneumoniaCase(sample, one) for one in result.assessment.predictions[-1:]]


def _spoil(sample: PneumoniaSample, number: int, folder: Path) -> Path:
    image = (read_display(sample.path) / 65535.0).astype(np.float32)
    finding = DEFECTS[number % len(DEFECTS)]
    spoilt = degrade(image, finding, SEVERITY, np.random.default_rng(number), pitch_of(image))
    path = folder / f"{number}.png"
    cv2.imwrite(str(path), np.rint(np.clip(spoilt, 0.0, 1.0) * 255).astype(np.uint8))
    return path


def _groups(cases: Sequence[PneumoniaCase]) -> dict[str, list[PneumoniaCase]]:
    """Children and adults separately; adults also by label quality, view and hospital."""
    children = [one for one in cases if one.sample.population is Population.CHILDREN]
    adults = [
        one for one in cases if one.sample.part is PatientPart.TEST and one.sample.population is Population.ADULTS
    ]
    strong = [one for one in adults if one.sample.strong]
    elsewhere = [one for one in cases if one.sample.part is PatientPart.ELSEWHERE]
    return {
        "children": children,
        "adults": adults,
        STRONG: strong,
        "adults, mined labels": [one for one in adults if not one.sample.strong],
        f"{STRONG}, AP": [one for one in strong if one.sample.view == "AP"],
        f"{STRONG}, PA": [one for one in strong if one.sample.view == "PA"],
        ELSEWHERE: elsewhere,
        f"{STRONG}, and of further hospitals": strong + elsewhere,
        **both_labels(elsewhere),
    }


def _figures(cases: Sequence[PneumoniaCase]) -> dict[str, Any]:
    probability = np.array([one.prediction.scores[POSITIVE] for one in cases], np.float64)
    truth = np.array([one.sample.pneumonia for one in cases], bool)
    predictions = np.array([one.prediction.label == POSITIVE for one in cases], bool)
    return group_figures(probability, truth, [one.sample.patient for one in cases], predictions)


def both_labels(cases: Sequence[PneumoniaCase]) -> dict[str, list[PneumoniaCase]]:
    """The further hospitals with enough images of both labels to separate them within the hospital."""
    groups = {f"adults of {source}": [one for one in cases if one.sample.source == source]
              for source in sorted({one.sample.source for one in cases})}  # fmt: skip
    sick = {name: sum(one.sample.pneumonia for one in group) for name, group in groups.items()}
    return {name: group for name, group in groups.items() if min(sick[name], len(group) - sick[name]) >= FEWEST}


def by_hospital(cases: Sequence[PneumoniaCase]) -> dict[str, list[PneumoniaCase]]:
    """Figures of further hospitals, by collection and its label."""
    groups: dict[str, list[PneumoniaCase]] = {}
    for one in sorted(
        (one for one in cases if one.sample.part is PatientPart.ELSEWHERE),
        key=lambda one: (one.sample.source, not one.sample.pneumonia),
    ):
        groups.setdefault(f"{one.sample.source}, {POSITIVE if one.sample.pneumonia else NEGATIVE}", []).append(one)
    return groups


def _elsewhere(cases: Sequence[PneumoniaCase], settings: Settings) -> dict[str, Any]:
    """How often the prediction is right in a collection with a single label, and how many would have been automated."""
    probability = np.array([one.prediction.scores[POSITIVE] for one in cases], np.float64)
    return {
        "images": len(cases),
        "patients": len({one.sample.patient for one in cases}),
        "right": round(float(np.mean([one.right for one in cases])), 4),
        "mean probability of pneumonia": round(float(probability.mean()), 4),
        **{f"{name} {key}": value for name, row in _routed(cases, settings).items() for key, value in row.items()
           if key in {"automated", "automated_errors"}},
    }  # fmt: skip


def _routed(cases: Sequence[PneumoniaCase], settings: Settings) -> dict[str, dict[str, Any]]:
    right = np.array([one.right for one in cases], bool)
    sure = np.array([one.prediction.confidence >= settings.assess.min_confidence for one in cases], bool)
    automated = np.array([not one.prediction.pending for one in cases], bool)
    return {"by confidence alone": routing_figures(sure, right), "quality first": routing_figures(automated, right)}


def _routing(cases: Sequence[PneumoniaCase], settings: Settings) -> dict[str, Any]:
    rows = {}
    for name, chosen in ((name, _groups(cases)[name]) for name in ROUTED):
        if not chosen:
            continue
        rows[name] = {
            **_routed(chosen, settings),
            "waiting": {
                reason.value: sum(any(p.reason is reason for p in one.prediction.pending) for one in chosen)
                for reason in PendingReason
            },
        }
    return rows


def write_figures(package: Path, figures: dict[str, Any]) -> None:
    """Write the figures into the card, also inside the graphs, and regenerate the pages."""
    card = read_sections(package)
    seal(package, card | {"metrics": {**card["metrics"], "test": figures}})
