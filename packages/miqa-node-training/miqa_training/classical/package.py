"""Packages the logistic regression: card, small graph, goldens measured by the node's own code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from miqa_node.stages.assess.card import Card
from miqa_node.stages.assess.contracts.measurements import inputs_of, measure_picture
from miqa_node.stages.assess.preprocess import Preprocess
from miqa_training.calibrate import QualityCalibration
from miqa_training.classical.features import FEATURES
from miqa_training.classical.graph import sum_graph
from miqa_training.classical.models import ClassicalModel
from miqa_training.corpus import QualityData
from miqa_training.package import card_of, write_golden_images
from miqa_training.seal import seal

NAME = "quality-classical"
METHOD = "contributions of the measurements to the logit; there is no map"
INTENDED_USE = (
    "Finds technical quality defects of frontal chest radiographs of adults from the node's own measurements, for "
    "sites that want every judgement explained exactly: each finding's logit is a sum with a part for each measurement."
)
LIMITS = (
    "It judges 15 numbers of the whole image and sees no picture: it has no map, and cannot say where anything is.",
    "Foreign objects, wrong positioning and mirror images hardly change these numbers; see the figures by finding.",
    "The measurements were taken at 8 bits in training; noise of deeper images is resolved finer than it knew.",
    "Every defect but real foreign objects was simulated; figures say how simulated defects are found, not real ones.",
    "Exposure indices are not used, for the training images have none.",
    "Children are hardly represented: 34 of the training images.",
)


def write_classical_package(
    model: ClassicalModel, usual: NDArray[np.float32], folder: Path, calibration: QualityCalibration, data: QualityData,
    training: Mapping[str, Any], metrics: Mapping[str, Any], version: str,
) -> Path:  # fmt: skip
    """Write the whole folder; ``usual`` (F,) holds the scaled measurements of a typical good image."""
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    names = write_golden_images(folder / "golden")
    card = _card(model, calibration, data, training, metrics, version, names)
    graph = sum_graph(model, usual)
    onnx.save(graph, str(folder / "model.onnx"))
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    measurements = Card.model_validate(card | {"files": {}}).measurements
    for name in names:
        pixels = cv2.imread(str(folder / "golden" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        inputs = inputs_of(measure_picture(np.asarray(pixels).astype(np.uint16) * np.uint16(257)), measurements)
        logits, severity = session.run(["logits", "severity"], inputs)
        expected = {
            "probability": [round(float(v), 6) for v in calibration.probability(logits[0])],
            "severity": [round(float(v), 6) for v in severity[0]],
        }
        (folder / "golden" / f"{name}.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")
    return seal(folder, card)


def _card(
    model: ClassicalModel, calibration: QualityCalibration, data: QualityData, training: Mapping[str, Any],
    metrics: Mapping[str, Any], version: str, goldens: list[str],
) -> dict[str, Any]:  # fmt: skip
    """The card of the network's package, adapted to a model of measurements; without the checksums of files."""
    card = card_of(calibration, Preprocess(), data, training, metrics, version, goldens)
    del card["preprocess"]
    imputed = zip(FEATURES, model.scale.imputed, strict=True)
    return card | {
        "name": NAME,
        "intended_use": INTENDED_USE,
        "limits": list(LIMITS),
        "measurements": [{"name": name, "imputed": round(float(value), 6)} for name, value in imputed],
        "saliency": {"maps": "", "method": METHOD},
    }
