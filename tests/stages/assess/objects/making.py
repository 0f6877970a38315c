"""Writes real object packages for tests: a tiny graph that gives the same answer for every image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import yaml

from miqa_node.stages.assess.objects.card import LOGITS, MAPS, ObjectCard
from tests.stages.assess.landmarks.making import graph
from tests.stages.assess.making import sha256

CELLS = 8


def maps_of(*spots: tuple[int, int, int]) -> np.ndarray:
    """Evidence (3, 8, 8) that is certain at these places: (map, row, column)."""
    maps = np.full((3, CELLS, CELLS), 0.01)
    for number, row, column in spots:
        maps[number, row, column] = 0.99
    return maps


def write_objects(folder: Path, maps: np.ndarray, logits: tuple[float, float], **changes: Any) -> dict[str, Any]:
    """Write a complete package that says this of every image; the card as written."""
    from miqa_node.core.settings import Accelerator
    from miqa_node.stages.assess.goldens import golden_radiograph
    from miqa_node.stages.assess.objects.network import ObjectNetwork
    from miqa_node.stages.assess.objects.sidecar import golden_values, runner
    from miqa_node.stages.assess.session import GraphSession

    (folder / "golden").mkdir(parents=True)
    card: dict[str, Any] = {
        "task": "objects",
        "name": "objects",
        "version": "1.0.0",
        "intended_use": "tests",
        "not_for": "patients",
        "limits": [],
        "applicability": {"modality": ["CR", "DX"], "body_part": ["CHEST", ""], "view": ["PA", "AP", ""]},
        "picture": {"rows": 64, "columns": 64, "fit": "pad"},
        "findings": [
            {"name": "foreign_object", "threshold": 0.6, "temperature": 1.0, "bias": 0.0, "evidence": [1.0, 0, 0]},
            {"name": "device_in_view", "threshold": 0.6, "temperature": 1.0, "bias": 0.0, "evidence": [0, 1.0, 0.5]},
        ],
        "saliency": {"maps": MAPS, "method": "evidence of tests", "map_threshold": 0.5},
        "calibration": {},
        "training": {},
        "metrics": {},
        "golden": [{"input": "golden/0.png", "expected": "golden/0.json"}],
    } | changes
    onnx.save(graph({MAPS: maps, LOGITS: np.array(logits)}, 64, card), folder / "model.onnx")
    cv2.imwrite(str(folder / "golden/0.png"), np.random.default_rng(0).integers(0, 256, (50, 40), np.uint8))
    session = GraphSession(folder / "model.onnx", Accelerator.CPU, intra_op_threads=1, inter_op_threads=1)
    network = ObjectNetwork(runner(session), ObjectCard.model_validate({**card, "files": {}}))
    values = golden_values(network(golden_radiograph("tiny", (folder / "golden/0.png").read_bytes()).display))
    (folder / "golden/0.json").write_text(json.dumps({"values": values}))
    card["files"] = {name: sha256(folder / name) for name in ("model.onnx", "golden/0.png", "golden/0.json")}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return card
