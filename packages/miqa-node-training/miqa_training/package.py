"""Writes a model package: graph with its card inside, card.yaml, goldens, MODEL_CARD.md (SCIENCE.md §7)."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import defect_names, gate_names, reason_code
from miqa_node.stages.assess.card import GRAPH_NAME
from miqa_node.stages.assess.preprocess import Preprocess
from miqa_training.calibrate import QualityCalibration
from miqa_training.corpus import QualityData
from miqa_training.datasets import DatasetRecord
from miqa_training.degrade import Image, degrade, gate
from miqa_training.degrade.sheet import FIELD_MM, public_chest
from miqa_training.export import TAPS
from miqa_training.graph import QualityGraph
from miqa_training.seal import CHEST_RADIOGRAPHS, golden_pairs, seal

GOLDEN_LONG_SIDE_PX = 560
SOP_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.1",  # Computed Radiography
    "1.2.840.10008.5.1.4.1.1.1.1",  # Digital X-Ray, for presentation
    "1.2.840.10008.5.1.4.1.1.1.1.1",  # Digital X-Ray, for processing
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture, the class of PNG and JPEG files
)
INTENDED_USE = (
    "Finds technical quality defects of frontal chest radiographs of adults within seconds of the exposure, so that a "
    "radiographer or a worklist can look again while the patient is still there."
)
NOT_FOR = (
    "diagnosis of any disease",
    "rejecting images without a person",
    "predicting what radiographers reject: no reject statistics were used",
    "other body parts, lateral views, portable images of small children",
)
LIMITS = (
    "Every defect but real objects was simulated; figures say how simulated defects are found, not real ones.",
    (
        "The evaluation images are a development set: they were looked at many times, chose designs and operating "
        "points, and trained nothing. Figures on images of further hospitals may be worse."
    ),
    (
        "Training images are 8-bit and mostly 512 px wide (0.8 mm a pixel): blur under 0.3 mm, fine noise and grid "
        "lines are below what they can teach; crops are therefore taken at 1024 px on the longer side, not finer."
    ),
    (
        "The pixels are stretched between their percentiles; of a window that is wide, dark or bright for the whole "
        "picture the network knows only by the span and the mean of what is displayed. The displayed contrast is a "
        "measurement with a rule of its own, too."
    ),
    (
        "Exposure indices of the header weigh in on noise, under- and overexposure. No images with real indices were "
        "at hand: those of training were made to fit the simulated dose, as IEC 62494-1 defines them. Without a header "
        "noise is judged from pixels after unknown processing."
    ),
    "Rotation of the patient about his own axis is not assessed, only rotation in the image plane.",
    "Mirror images are told from the position of the heart and of markers; situs inversus looks like a mirror image.",
    (
        "What can be taken off was taught by 44 real images (underwires, gown snaps, necklaces, ear rings, shields) "
        "and by simulation. Hair and folds are mostly missed, snaps and zips often; an electrode or a port may be "
        "called an object. Breathing hoses, tubing and connectors count as devices: see the figures against images "
        "with devices only."
    ),
    "Annotations of real objects were drawn by careful readers who are not radiologists or radiographers.",
    "Children are hardly represented: 34 of the training images.",
    (
        "The gate was taught with inverted chests, small parts of chests, geometric phantoms and a few CT, MR and "
        "ultrasound images: it lets real radiographs of other body parts pass (the extremity RG3 of pydicom-data "
        "does), so it does not replace the applicability by header."
    ),
    (
        "Motion of 0.5 mm and unsharpness of 0.15 mm are mostly missed, for most images to learn from and to judge by "
        "have 0.4 to 0.9 mm a pixel; so are grid lines that disappear when 2,000 pixels are made 1,024."
    ),
    "In images of very little contrast an L/R marker or a bone seen end-on may be called a foreign object.",
)


def write_package(
    graph_file: Path, folder: Path, calibration: QualityCalibration, spec: Preprocess, data: QualityData,
    training: Mapping[str, Any], metrics: Mapping[str, Any], version: str,
) -> Path:  # fmt: skip
    """Write the whole folder, with a copy of the graph file that has the card in its metadata."""
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    names = write_golden_images(folder / "golden")
    card = card_of(calibration, spec, data, training, metrics, version, names)
    shutil.copyfile(graph_file, folder / GRAPH_NAME)
    graph = QualityGraph(folder / GRAPH_NAME, spec)
    for name in names:
        _write_expected(folder / "golden" / name, graph, calibration)
    return seal(folder, card)


def card_of(
    calibration: QualityCalibration, spec: Preprocess, data: QualityData, training: Mapping[str, Any],
    metrics: Mapping[str, Any], version: str, goldens: list[str],
) -> dict[str, Any]:  # fmt: skip
    """The card as plain data, without the checksums of files."""
    card: dict[str, Any] = {
        "name": "quality",
        "version": version,
        "intended_use": INTENDED_USE,
        "not_for": list(NOT_FOR),
        "limits": list(LIMITS),
        "applicability": {
            **CHEST_RADIOGRAPHS,
            "sop_class": list(SOP_CLASSES),
            "pixel_pitch_mm": {"min": 0.05, "max": 1.2},
        },
        "preprocess": spec.model_dump(mode="json"),
        "outputs": {"classes": _classes(calibration)},
        "saliency": {
            "maps": "maps",
            "taps": list(TAPS),
            "method": "class-evidence map, 1/8 of the global view, sigmoid; covers the whole (stretched) image",
            "map_threshold": 0.5,
        },
        "calibration": calibration.report,
        "certificate": None,
        "training": {"data": sources_of(data.fitting), **training, "date": datetime.now(UTC).date().isoformat()},
        "metrics": dict(metrics),
        "golden": golden_pairs(goldens),
    }
    return card


def write_golden_images(folder: Path) -> list[str]:
    """Eight 8-bit PNGs: the public sample chest, simulated defects of it, and phantoms; returns their names."""
    chest = public_chest(GOLDEN_LONG_SIDE_PX)
    pitch_mm = FIELD_MM / chest.shape[1]

    def bad(finding: FindingName, seed: int) -> Image:
        return degrade(chest, finding, 1.0, np.random.default_rng(seed), pitch_mm)

    images = {
        "chest": chest,
        "motion_blur": bad(FindingName.MOTION_BLUR, 3),
        "noise": bad(FindingName.NOISE, 3),
        "foreign_object": bad(FindingName.FOREIGN_OBJECT, 5),
        "clipped_anatomy": bad(FindingName.CLIPPED_ANATOMY, 3),
        "inverted": gate.inverted(chest),
        "phantom": gate.phantom((400, 360), np.random.default_rng(5)),
        "blank": gate.blank((300, 360), np.random.default_rng(4)),
    }
    for name, image in images.items():
        pixels = np.rint(image * 255).astype(np.uint8)
        if not cv2.imwrite(str(folder / f"{name}.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            msg = f"cannot write {folder / name}.png"
            raise OSError(msg)
    return list(images)


def _write_expected(stem: Path, graph: QualityGraph, calibration: QualityCalibration) -> None:
    pixels = cv2.imread(f"{stem}.png", cv2.IMREAD_UNCHANGED)
    prediction = graph(np.asarray(pixels).astype(np.uint16) * 257)
    expected = {
        "probability": _rounded(calibration.probability(prediction.logits)),
        "severity": _rounded(prediction.severity),
    }
    Path(f"{stem}.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")


def _classes(calibration: QualityCalibration) -> list[dict[str, Any]]:
    codes = [(d, False, reason_code(d)) for d in defect_names()] + [(g, True, reason_code(g)) for g in gate_names()]
    return [
        {
            "name": name,
            "gate": is_gate,
            "code": {"value": code.value, "scheme": code.scheme, "meaning": code.meaning},
            "threshold": round(float(calibration.threshold[column]), 4),
            "temperature": round(float(calibration.temperature[column]), 4),
            "bias": round(float(calibration.bias[column]), 4),
        }
        for column, (name, is_gate, code) in enumerate(codes)
    ]


def sources_of(records: Sequence[DatasetRecord]) -> list[dict[str, Any]]:
    """The training data as cards state it: source, licence, number of images and of patients."""
    licences = Counter((r.source, r.licence) for r in records)
    return [
        {
            "source": {"nih": "NIH ChestX-ray14", "cohen": "Cohen et al. covid-chestxray-dataset"}.get(
                source, "Kermany et al., Mendeley 10.17632/rscbjbr9sj"
            ),
            "licence": licence,
            "images": images,
            "patients": len({r.patient for r in records if (r.source, r.licence) == (source, licence)}),
        }
        for (source, licence), images in licences.most_common()
    ]


def _rounded(values: NDArray[np.floating]) -> list[float]:
    return [round(float(v), 6) for v in values]
