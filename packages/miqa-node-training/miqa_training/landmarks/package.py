"""Writes the landmark package: both graphs, goldens, card with every figure, MODEL_CARD.md."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from miqa_node.stages.assess.card import GRAPH_NAME, read_sections
from miqa_node.stages.assess.landmarks.card import CLOSE_UP_GRAPH, MARKER_GRAPH
from miqa_node.stages.assess.landmarks.estimate import LandmarkNetwork
from miqa_node.stages.assess.landmarks.marker import MarkerInput
from miqa_node.stages.assess.landmarks.picture import CLOSE_UP_INPUT, PICTURE
from miqa_node.stages.assess.landmarks.reader_rule import ReaderRule
from miqa_node.stages.assess.landmarks.sidecar import golden_values
from miqa_node.stages.assess.sidecars import LANDMARKS
from miqa_training.datasets import DatasetRecord
from miqa_training.degrade import Image, gate
from miqa_training.degrade.sheet import public_chest
from miqa_training.landmarks.closeup import CLOSE_UP
from miqa_training.landmarks.estimate import reader_of
from miqa_training.package import sources_of
from miqa_training.seal import CHEST_RADIOGRAPHS, golden_pairs, seal

VISIBLE_FROM = 0.5
CUT_FINDINGS = ("lung_cut_right", "lung_cut_left", "lung_cut_top", "lung_cut_bottom")
LEAST_POINTS = 6
THRESHOLDS = {
    **dict.fromkeys(CUT_FINDINGS, 0.85), "patient_rotated": 0.55, "poor_inspiration": 0.75,
}  # fmt: skip
"""Operating points of the networks' own probabilities; those of rules are chosen with them."""
WRONG_MARKER_FROM = 0.8
"""Operating point of a side marker on the wrong side, in packages that read them."""
INTENDED_USE = (
    "Finds anatomical points on frontal chest radiographs of adults and says how the patient was positioned: rotation, "
    "tilt, depth of inspiration, lungs that are cut off. For radiographers, while the patient is still there."
)
NOT_FOR = (
    "diagnosis of any disease",
    "rejecting images without a person",
    "other body parts, lateral views, children",
    "measuring in millimetres of the patient: distances are estimates at the detector plane",
)
LIMITS = (
    (
        "Points were drawn by careful readers who are not radiologists or radiographers; two of them differ by .002 to "
        ".010 of the side in the coordinate that matters."
    ),
    (
        "Clavicles are hidden in a fifth of the training images and in a third of the development set; rotation is "
        "then an estimate by the rest of the chest."
    ),
    (
        "Cut lungs were mostly simulated: 15 of the training and 4 of the development images are cut, most of them at "
        "the bottom. How well real cuts at other sides are found is not known."
    ),
    "Supine bedside images are the hardest, and few of the training images are such.",
    (
        "Scapulae over the lungs, the chin and mirror images are outputs of the network, but too rare among the "
        "annotated images to be judged, so the node reports none of them."
    ),
)


def write_package(
    whole: Path, closer: Path, folder: Path, records: Sequence[DatasetRecord], training: Mapping[str, Any],
    metrics: Mapping[str, Any], version: str, limits: Sequence[str] = LIMITS, marker: Path | None = None,
) -> Path:  # fmt: skip
    """Write the whole folder, with copies of the graph files that have the card in their metadata.

    ``marker`` is the graph of side markers, if the package reads them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(whole, folder / GRAPH_NAME)
    shutil.copyfile(closer, folder / CLOSE_UP_GRAPH)
    if marker is not None:
        shutil.copyfile(marker, folder / MARKER_GRAPH)
    names = write_goldens(folder / "golden", reader_of(whole, closer, marker))
    card = _card(records, training, metrics, version, names, limits)
    if marker is not None:
        card["marker"] = MarkerInput().model_dump(mode="json")
        card["findings"].append({"name": "side_marker_wrong", "threshold": WRONG_MARKER_FROM})
    return seal(folder, card)


def copy_with_rules(
    start: Path, folder: Path, rules: Mapping[str, tuple[ReaderRule, float]], changes: Mapping[str, Any]
) -> Path:
    """The package ``start`` with other sections of its card, and rules with their operating points by finding."""
    shutil.copytree(start, folder)
    card: dict[str, Any] = {**read_sections(start), **changes}
    card["training"] = {**card["training"], "date": datetime.now(UTC).date().isoformat()}
    card["findings"] = [
        {"name": one["name"], "threshold": rules[one["name"]][1], "rule": rules[one["name"]][0].model_dump()}
        if one["name"] in rules
        else one
        for one in card["findings"]
    ]
    return seal(folder, card)


def _card(
    records: Sequence[DatasetRecord], training: Mapping[str, Any], metrics: Mapping[str, Any], version: str,
    goldens: Sequence[str], limits: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    return {
        "task": "landmarks",
        "name": LANDMARKS,
        "version": version,
        "intended_use": INTENDED_USE,
        "not_for": list(NOT_FOR),
        "limits": list(limits),
        "applicability": {
            **CHEST_RADIOGRAPHS,
            "pixel_pitch_mm": {"min": 0.05, "max": 1.2},
        },
        "picture": PICTURE.model_dump(mode="json"),
        "close_up": CLOSE_UP_INPUT.model_dump(mode="json"),
        "visible_from": VISIBLE_FROM,
        "least_points": LEAST_POINTS,
        "findings": [{"name": name, "threshold": threshold} for name, threshold in THRESHOLDS.items()],
        "calibration": {},
        "training": {
            "data": sources_of(records), "close_up_points": list(CLOSE_UP.points), **training,
            "date": datetime.now(UTC).date().isoformat(),
        },
        "metrics": dict(metrics),
        "golden": golden_pairs(goldens),
    }  # fmt: skip


LONG_SIDE_PX = 360


def write_goldens(folder: Path, reader: LandmarkNetwork) -> list[str]:
    """Write ``<name>.png`` and ``<name>.json`` for each golden."""
    folder.mkdir(parents=True, exist_ok=True)
    chest = public_chest(LONG_SIDE_PX)
    rows, columns = chest.shape
    images = {
        "chest": chest,
        "chest_mirrored": np.ascontiguousarray(chest[:, ::-1]),
        "chest_cut": np.ascontiguousarray(chest[: round(0.62 * rows), : round(0.9 * columns)]),
        "chest_marker": _with_letter(chest),
        "phantom": gate.phantom((360, 320), np.random.default_rng(5)),
    }
    for name, image in images.items():
        pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        if not cv2.imwrite(str(folder / f"{name}.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise OSError(f"cannot write {folder / name}.png")
        values = golden_values(reader(pixels.astype(np.uint16) * np.uint16(257)))
        (folder / f"{name}.json").write_text(json.dumps({"values": values}) + "\n", encoding="utf-8")
    return list(images)


def _with_letter(chest: Image) -> Image:
    """The chest with an L on the wrong side."""
    marked = np.rint(np.clip(chest, 0, 1) * 255).astype(np.uint8)
    place = round(0.06 * chest.shape[1]), round(0.3 * len(chest))
    cv2.putText(marked, "L", place, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 3)
    return marked.astype(np.float32) / np.float32(255)
