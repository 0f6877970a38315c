"""The evaluation report of a classifier: one HTML file; it shows images of the data set, so it stays with the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.stages.assess.classify.classifier import Classifier, open_classifier
from miqa_node.stages.assess.classify.picture import looked_at
from miqa_training.classifier.data import LabelledImage, PixelReader
from miqa_training.report import figures as drawn
from miqa_training.report.gallery import MAP_SHARE, SIDE_PX, picture_uri
from miqa_training.report.page import render

TEMPLATE = "classifier.html"
ERRORS_PER_LABEL = 6


@dataclass(frozen=True, slots=True)
class ClassifierError:
    """One error of the test part; pictures are data URIs."""

    label: str
    said: str
    probability: float
    name: str
    picture: str
    overlay: str


def write_report(
    path: Path,
    package: Path,
    card: dict[str, Any],
    shown: dict[str, Any],
    examples: Sequence[LabelledImage],
    pixels: PixelReader,
) -> Path:
    """Write the page; it shows the worst errors of each label with their saliency maps."""
    classifier = open_classifier(package, Accelerator.CPU, load_settings().assess)
    pictures = {
        "confusion": drawn.confusion_matrix(shown["confusion"]),
        "roc": drawn.roc_panels(shown["curves"]) if shown["curves"] else "",
        "reliability": drawn.reliability_panels(shown["curves"]) if shown["curves"] else "",
    }
    text = render(
        TEMPLATE, card=card, test=card["metrics"]["test"], threshold=card["metrics"].get("threshold"),
        thresholds=shown["thresholds"], pictures=pictures, errors=_errors(classifier, shown, examples, pixels),
        made=datetime.now(UTC).date().isoformat(), sha256=classifier.sha256,
    )  # fmt: skip
    path.write_text(text, encoding="utf-8")
    return path


def _errors(
    classifier: Classifier, shown: dict[str, Any], examples: Sequence[LabelledImage], pixels: PixelReader
) -> dict[str, list[ClassifierError]]:
    names = [row.name for row in classifier.card.labels]
    probability, prediction, truth = shown["probability"], shown["said"], shown["truth"]
    groups: dict[str, list[ClassifierError]] = {}
    for column, name in enumerate(names):
        wrong = np.flatnonzero((truth == column) & (prediction != column))
        worst = sorted(wrong, key=lambda i: float(probability[i, column]))[:ERRORS_PER_LABEL]
        for i in worst:
            answer = names[int(prediction[i])], float(probability[i, int(prediction[i])])
            groups.setdefault(name, []).append(_error(classifier, pixels, examples[int(i)], name, *answer))
    return groups


def _error(
    classifier: Classifier, pixels: PixelReader, example: LabelledImage, label: str, prediction: str, probability: float
) -> ClassifierError:
    display = looked_at(pixels.read(example.path), classifier.card.picture)
    _, image = classifier.see(display)
    saliency = classifier.map_of(image, prediction, display.shape)
    small = _small(display)
    overlay = "" if saliency is None else picture_uri(_overlay(small, saliency.values))
    return ClassifierError(label, prediction, probability, example.path.name, picture_uri(small), overlay)


def _small(display: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The picture in BGR or gray with a longer side of SIDE_PX."""
    scale = SIDE_PX / max(display.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(display, None, fx=scale, fy=scale, interpolation=how) // 257, np.uint8)
    return small if small.ndim == 2 else np.ascontiguousarray(small[..., ::-1])


def _overlay(small: NDArray[np.uint8], values: NDArray[np.float32]) -> NDArray[np.uint8]:
    fine = np.clip(cv2.resize(values, small.shape[1::-1], interpolation=cv2.INTER_LINEAR), 0, 1)
    heat = cv2.applyColorMap(np.rint(fine * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    below = small[..., None] if small.ndim == 2 else small
    share = (MAP_SHARE * fine)[..., None]
    return np.asarray(np.rint(below * (1 - share) + heat * share), np.uint8)
