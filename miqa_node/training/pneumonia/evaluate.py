"""``miqa-node evaluate pneumonia``: every figure of a finished package on patients that it never saw.

Each radiograph takes the whole way of the node: quality package, policy, anomaly, classification, routing. So what the
rule "quality first" buys is counted on what the product really does, once on the radiographs as they are and once with
a strong simulated defect in each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.assess.card import read_sections
from miqa_node.assess.classify.classifier import Classifier, open_classifier
from miqa_node.assess.local import LocalAssessor
from miqa_node.domain.finding import FindingName
from miqa_node.domain.prediction import PendingReason, Prediction
from miqa_node.settings import Accelerator, Settings, load_settings
from miqa_node.training.degrade import degrade, pitch_of
from miqa_node.training.outlines import box
from miqa_node.training.pneumonia.data import (
    POSITIVE,
    BoxedImage,
    Part,
    Population,
    Sample,
    read_boxes,
    read_display,
    read_samples,
)
from miqa_node.training.pneumonia.figures import group_figures, routing_figures
from miqa_node.training.pneumonia.sealing import seal
from miqa_node.training.pointing import chance_of, interval_by_patient, peak, play

DEFECTS = (
    FindingName.MOTION_BLUR, FindingName.UNSHARP, FindingName.NOISE_UNDEREXPOSURE, FindingName.OVEREXPOSURE_SATURATION,
    FindingName.CONTRAST_PROCESSING, FindingName.CLIPPED_ANATOMY, FindingName.DOUBLE_EXPOSURE,
)  # fmt: skip
SEVERITY = 1.0
ROUTED_GROUPS = 3
"""Children, adults, and adults with radiologists' labels; views are too few to route apart."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A test radiograph and what the node predicted of it."""

    sample: Sample
    prediction: Prediction

    @property
    def right(self) -> bool:
        """Whether the label is the true one."""
        return (self.prediction.label == POSITIVE) is self.sample.pneumonia


def evaluate_pneumonia(
    package: Path, data: Path, *, degraded: int = 1000, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """All figures as plain data; ``degraded`` radiographs at most also get a simulated defect."""
    settings = load_settings(None, assess={"models_dir": str(package.parent.resolve())})
    classifier = open_classifier(package, Accelerator.CPU, settings.assess)
    tests = [sample for sample in read_samples(data / "cxr_pneumonia") if sample.part is Part.TEST]
    spoilt = tests[:: max(1, -(-len(tests) // max(1, degraded)))] if degraded else []
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, len(tests) + len(spoilt))

    with LocalAssessor(settings, packages=[package.name]) as assessor, tempfile.TemporaryDirectory() as folder:
        plain = [_see(assessor, sample, sample.path, tell) for sample in tests]
        worse = [_see(assessor, sample, _spoil(sample, n, Path(folder)), tell) for n, sample in enumerate(spoilt)]
    threshold = classifier.card.operating_point.threshold if classifier.card.operating_point else 0.5
    return {
        "threshold": threshold,
        "groups": {name: _figures(found, threshold) for name, found in _groups(plain).items()},
        "routing": _routing(plain, settings),
        "routing_with_simulated_defects": _routing(worse, settings) if worse else {},
        "pointing_game": pointing_game(classifier, data),
    }


def pointing_game(classifier: Classifier, data: Path) -> dict[str, Any]:
    """Whether the peak of Grad-CAM lies in a radiologist's box, on patients that were not trained on."""
    known = {s.patient for s in read_samples(data / "cxr_pneumonia") if s.part is not Part.TEST}
    boxed = [one for one in read_boxes(data / "cxr_boxes") if one.patient not in known]
    rows: dict[str, list[tuple[float, float]]] = {"gradcam": [], "centre": [], "random": []}
    for image in boxed:
        outlines = [box(*one) for one in image.boxes]
        hit = play(peak(_map(classifier, image)), outlines)
        centre = play((0.5, 0.5), outlines)
        rows["gradcam"].append((float(hit.tolerant), float(hit.exact)))
        rows["centre"].append((float(centre.tolerant), float(centre.exact)))
        rows["random"].append((chance_of(outlines, 15.0 / 600.0), chance_of(outlines, 0.0)))
    patients = [image.patient for image in boxed]
    return {
        "images": len(boxed),
        "patients": len(set(patients)),
        "methods": {name: _hits(values, patients) for name, values in rows.items()},
    }


def _hits(values: Sequence[tuple[float, float]], patients: Sequence[str]) -> dict[str, Any]:
    tolerant = np.array([value[0] for value in values], np.float64)
    return {
        "pointing_game": round(float(tolerant.mean()), 4),
        "interval": [round(v, 4) for v in interval_by_patient(tolerant, patients)],
        "no_tolerance": round(float(np.mean([value[1] for value in values])), 4),
    }


def _map(classifier: Classifier, image: BoxedImage) -> NDArray[np.float32]:
    display = read_display(image.path)
    _, given = classifier.see(display)
    found = classifier.grad_cam(given, POSITIVE, display.shape)
    if found is None:
        raise ValueError(f"{classifier.name} has no member with a tap for Grad-CAM.")
    return found.values


def _see(assessor: LocalAssessor, sample: Sample, path: Path, tell: Callable[[], None]) -> Seen:
    result = assessor.assess_file(path, modality="DX", body_part="CHEST", view=sample.view)
    tell()
    return Seen(sample, result.assessment.predictions[-1])


def _spoil(sample: Sample, number: int, folder: Path) -> Path:
    image = (read_display(sample.path) / 65535.0).astype(np.float32)
    finding = DEFECTS[number % len(DEFECTS)]
    spoilt = degrade(image, finding, SEVERITY, np.random.default_rng(number), pitch_of(image))
    path = folder / f"{number}.png"
    cv2.imwrite(str(path), np.rint(np.clip(spoilt, 0.0, 1.0) * 255).astype(np.uint8))
    return path


def _groups(seen: Sequence[Seen]) -> dict[str, list[Seen]]:
    """Children and adults apart, never one figure for both; adults by how good their label is and by view."""
    children = [one for one in seen if one.sample.population is Population.CHILDREN]
    adults = [one for one in seen if one.sample.population is Population.ADULTS]
    return {
        "children": children,
        "adults": adults,
        "adults, radiologists' labels": [one for one in adults if one.sample.strong],
        "adults, mined labels": [one for one in adults if not one.sample.strong],
        "adults, radiologists' labels, AP": [one for one in adults if one.sample.strong and one.sample.view == "AP"],
        "adults, radiologists' labels, PA": [one for one in adults if one.sample.strong and one.sample.view == "PA"],
    }


def _figures(seen: Sequence[Seen], threshold: float) -> dict[str, Any]:
    probability = np.array([one.prediction.scores[POSITIVE] for one in seen], np.float64)
    truth = np.array([one.sample.pneumonia for one in seen], bool)
    return group_figures(probability, truth, [one.sample.patient for one in seen], threshold)


def _routing(seen: Sequence[Seen], settings: Settings) -> dict[str, Any]:
    found = {}
    for name, chosen in list(_groups(seen).items())[:ROUTED_GROUPS]:
        if not chosen:
            continue
        right = np.array([one.right for one in chosen], bool)
        sure = np.array([one.prediction.confidence >= settings.assess.min_confidence for one in chosen], bool)
        automated = np.array([not one.prediction.pending for one in chosen], bool)
        found[name] = {
            "by confidence alone": routing_figures(sure, right),
            "quality first": routing_figures(automated, right),
            "waiting": {
                reason.value: sum(any(p.reason is reason for p in one.prediction.pending) for one in chosen)
                for reason in PendingReason
            },
        }
    return found


def write_figures(package: Path, figures: dict[str, Any]) -> None:
    """Put the figures into the card, in the graphs as well, and write the pages again."""
    card = read_sections(package)
    seal(package, card | {"metrics": {**card["metrics"], "test": figures}})
