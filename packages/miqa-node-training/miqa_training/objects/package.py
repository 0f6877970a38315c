"""Writes the object package: graph, goldens, card with every figure, MODEL_CARD.md."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.stages.assess.card import GRAPH_NAME
from miqa_node.stages.assess.classify.picture import PictureInput
from miqa_node.stages.assess.objects.card import INPUT, LOGITS, MAPS, TAP_DEEP, TAP_FUSED, ObjectCard
from miqa_node.stages.assess.objects.network import ObjectNetwork
from miqa_node.stages.assess.objects.sidecar import golden_values
from miqa_node.stages.assess.sidecars import OBJECTS
from miqa_training.degrade import degrade, gate
from miqa_training.degrade.sheet import public_chest
from miqa_training.objects.data import ObjectExample
from miqa_training.objects.evaluate import Rule
from miqa_training.package import SOP_CLASSES, sources_of
from miqa_training.seal import CHEST_RADIOGRAPHS, golden_pairs, seal

GOLDEN_LONG_SIDE_PX = 360
EVIDENCE = {FindingName.FOREIGN_OBJECT: (1.0, 0.0, 0.0), FindingName.DEVICE_IN_VIEW: (0.0, 1.0, 0.6)}
"""Weights of the maps for each finding: a tube is shown, but an electrode or a lead beside it is pointed at."""
INTENDED_USE = (
    "Finds what can be taken off (jewellery, snaps, buttons, hooks, clips), and devices, on frontal chest radiographs "
    "of adults, and shows where, so that a radiographer can take it off and repeat while the patient is still there."
)
NOT_FOR = (
    "diagnosis of any disease",
    "rejecting images without a person",
    "judging whether a device lies where it should",
    "other body parts, lateral views",
)


def picture_input(side_px: int) -> PictureInput:
    """The network's input: the whole image in the middle of a black square."""
    return PictureInput(rows=side_px, columns=side_px, fit="pad", mean=(0.5,), std=(0.5,))


def write_package(
    graph: Path, folder: Path, picture: PictureInput, rules: Mapping[FindingName, Rule],
    examples: Sequence[ObjectExample], training: Mapping[str, Any], metrics: Mapping[str, Any], limits: Sequence[str],
    version: str, choices: Mapping[str, Any] | None = None, targets: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Write the whole folder, with a copy of the graph that has the card in its metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(graph, folder / GRAPH_NAME)
    card: dict[str, Any] = {
        "task": "objects",
        "name": OBJECTS,
        "version": version,
        "intended_use": INTENDED_USE,
        "not_for": list(NOT_FOR),
        "limits": list(limits),
        "applicability": {
            **CHEST_RADIOGRAPHS, "sop_class": list(SOP_CLASSES), "pixel_pitch_mm": {"min": 0.05, "max": 1.2},
        },
        "picture": picture.model_dump(mode="json"),
        "findings": [
            {"name": str(name), "threshold": rule.threshold, "temperature": rule.temperature, "bias": rule.bias,
             "evidence": list(EVIDENCE[name])}
            for name, rule in rules.items()
        ],
        "saliency": {
            "maps": MAPS, "taps": [TAP_DEEP, TAP_FUSED], "map_threshold": 0.5,
            "method": "evidence map of the object network, 1/8 of its input, sigmoid",
        },
        "calibration": {
            "method": "Platt scaling of the image's score on held-out patients",
            "operating_points": "Something removable: the logit where, each source alike, the share found is furthest "
            "above the share called with devices only, of those at which at most .02 of the images with nothing are "
            "called. Devices: .95 of the images without. On patients and sources that trained nothing; see metrics",
        },
        "training": {
            **training, "data": sources_of([e.record for e in examples]), "date": datetime.now(UTC).date().isoformat(),
        },
        "metrics": dict(metrics),
        **({"choices": dict(choices)} if choices else {}),
        **({"targets": dict(targets)} if targets else {}),
        "golden": [],
        "files": {},
    }  # fmt: skip
    names = write_goldens(folder / "golden", ObjectNetwork(run_of(graph), ObjectCard.model_validate(card)))
    return seal(folder, card | {"golden": golden_pairs(names)})


def run_of(graph: Path) -> Any:
    """The graph as :class:`ObjectNetwork` calls it."""
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])

    def run(image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return dict(zip((MAPS, LOGITS), session.run([MAPS, LOGITS], {INPUT: image}), strict=True))

    return run


def write_goldens(folder: Path, network: ObjectNetwork) -> list[str]:
    """Write ``<name>.png`` and ``<name>.json`` for each golden: the public chest of pydicom-data, and a phantom.

    Images of collections are never goldens; these images may be kept in a repository.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chest = public_chest(GOLDEN_LONG_SIDE_PX)
    pitch_mm = 430.0 / max(chest.shape)
    images = {
        "chest": chest,
        "chest_mirrored": np.ascontiguousarray(chest[:, ::-1]),
        "phantom": gate.phantom((360, 320), np.random.default_rng(5)),
        **{
            f"chest_{name}": degrade(chest, finding, 1.0, np.random.default_rng(seed), pitch_mm)
            for name, finding, seed in (
                ("worn", FindingName.FOREIGN_OBJECT, 5), ("chain", FindingName.FOREIGN_OBJECT, 25),
                ("leads", FindingName.DEVICE_IN_VIEW, 1),
            )
        },
    }  # fmt: skip
    for name, image in images.items():
        pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        if not cv2.imwrite(str(folder / f"{name}.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise OSError(f"cannot write {folder / name}.png")
        values = golden_values(network(pixels.astype(np.uint16) * np.uint16(257)))
        (folder / f"{name}.json").write_text(json.dumps({"values": values}) + "\n", encoding="utf-8")
    return list(images)
