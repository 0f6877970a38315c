"""Writes real landmark packages for tests: two tiny graphs that give the same answer for every image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from miqa_node.stages.assess.card import METADATA_KEY
from miqa_node.stages.assess.landmarks.card import LandmarkCard
from miqa_node.stages.assess.landmarks.estimate import INPUT, LUNGS, LandmarkEstimate
from miqa_node.stages.assess.landmarks.marker import LETTER_CHANCES, LETTERS, MarkerNetwork
from miqa_node.stages.assess.landmarks.points import CLOSE_UP_INDEX, POINTS
from tests.stages.assess.making import sha256

STRAIGHT = {
    "apex_l": (0.35, 0.15), "apex_r": (0.65, 0.15), "cpa_l": (0.15, 0.8), "cpa_r": (0.85, 0.8),
    "dome_l": (0.3, 0.7), "dome_r": (0.7, 0.72), "clav_l": (0.46, 0.22), "clav_r": (0.54, 0.22),
    "spine_clav": (0.5, 0.22), "spine_low": (0.5, 0.72), "lat_l": (0.14, 0.65), "lat_r": (0.86, 0.65),
}  # fmt: skip
"""A patient who stands straight and whose lungs are all in the image."""


def points_of(**changes: tuple[float, float]) -> np.ndarray:
    """STRAIGHT with changes, (12, 2)."""
    return np.array([{**STRAIGHT, **changes}[name] for name in POINTS], np.float64)


LUNG_BOXES = {"left": (0.125, 0.25, 0.4375, 0.75), "right": (0.5625, 0.25, 0.875, 0.6875)}
"""Two rectangular lungs by side of the image: (x0, y0, x1, y1) as fractions."""


def lungs_of(boxes: Mapping[str, tuple[float, float, float, float]] = LUNG_BOXES, cells: int = 64) -> np.ndarray:
    """The probabilities (2, cells, cells) of a network that is certain of these lungs."""
    chance = np.zeros((2, cells, cells))
    for number, side in enumerate(("left", "right")):
        if side in boxes:
            x0, y0, x1, y1 = (round(share * cells) for share in boxes[side])
            chance[number, y0:y1, x0:x1] = 1.0
    return chance


def estimate_of(**changes: Any) -> LandmarkEstimate:
    """What the networks would say of STRAIGHT."""
    fields: dict[str, Any] = {
        "points": points_of(), "visible": np.full(12, 0.9), "error": np.full((12, 2), 0.01), "cut": np.full(4, 0.02),
        "margin": np.array([0.14, 0.14, 0.15, 0.2]), "ribs": 9.5, "rotation": 0.0,
        "grade": np.array([0.05, 0.01, 0.1, 0.02]), "mark": np.zeros(2), "mirrored": 0.0,
    }  # fmt: skip
    return LandmarkEstimate(**fields | changes)


def whole_outputs(estimate: LandmarkEstimate) -> dict[str, np.ndarray]:
    """The outputs of the whole image's graph."""
    names = ("points", "visible", "error", "cut", "margin", "grade", "mark")
    values = {name: getattr(estimate, name) for name in names}
    lungs = {} if estimate.lungs is None else {LUNGS: estimate.lungs}
    return values | {name: np.array([getattr(estimate, name)]) for name in ("ribs", "rotation", "mirrored")} | lungs


def close_up_outputs(estimate: LandmarkEstimate) -> dict[str, np.ndarray]:
    """The outputs of the close-up's graph: its points lie in the middle of the close-up."""
    points = np.array([[0.4, 0.5], [0.6, 0.5], [0.5, 0.5]])
    return {
        "points": points, "visible": estimate.visible[CLOSE_UP_INDEX], "error": np.full((3, 2), 0.02),
        "rotation": np.array([estimate.rotation]), "grade": estimate.grade,
    }  # fmt: skip


def graph(outputs: Mapping[str, np.ndarray], side_px: int, card: Mapping[str, Any]) -> onnx.ModelProto:
    """A graph with these outputs (with a batch axis) whatever the image is."""
    nodes = [
        helper.make_node("ReduceMean", [INPUT], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        *(helper.make_node("Add", [f"{name}_value", "zero"], [name]) for name in outputs),
    ]
    values = {name: np.asarray(value, np.float32)[None] for name, value in outputs.items()}
    made = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 1, side_px, side_px])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(value.shape)) for name, value in values.items()],
        [
            numpy_helper.from_array(np.array(0.0, np.float32), "nothing"),
            *(numpy_helper.from_array(value, f"{name}_value") for name, value in values.items()),
        ],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: json.dumps({k: v for k, v in card.items() if k != "files"})})
    return model


def letters_of(places: Mapping[str, tuple[float, float, float]], cells: int = 16) -> np.ndarray:
    """The output (3, cells, cells) of a marker graph that reads these letters: (x, y, probability) by letter."""
    chances = np.zeros((3, cells, cells))
    for letter, (x, y, chance) in places.items():
        chances[LETTERS.index(letter), int(y * cells), int(x * cells)] = chance
    return chances


def write_landmarks(
    folder: Path,
    estimate: LandmarkEstimate | None = None,
    leave_out: str = "",
    letters: np.ndarray | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Write a complete package that says ``estimate`` of every image, and reads ``letters``; the card as written."""
    estimate = estimate or estimate_of()
    (folder / "golden").mkdir(parents=True)
    card: dict[str, Any] = {
        "task": "landmarks",
        "name": "landmarks",
        "version": "1.0.0",
        "intended_use": "tests",
        "not_for": "patients",
        "limits": [],
        "applicability": {"modality": ["CR", "DX"], "body_part": ["CHEST", ""], "view": ["PA", "AP", ""]},
        "picture": {"rows": 64, "columns": 64},
        "close_up": {"whole_px": 128, "side_px": 48},
        "visible_from": 0.5,
        "least_points": 6,
        "findings": [
            {"name": name, "threshold": 0.8}
            for name in ("lung_cut_left", "lung_cut_right", "lung_cut_top", "lung_cut_bottom", "patient_rotated")
        ],
        "calibration": {},
        "training": {},
        "metrics": {},
        "golden": [{"input": "golden/0.png", "expected": "golden/0.json"}],
    } | changes
    graphs = ["model.onnx", "close_up.onnx"]
    if letters is not None:
        graphs.append("marker.onnx")
        card["marker"] = {"picture": {"rows": 64, "columns": 64, "fit": "pad"}}
        card["findings"] = [*card["findings"], {"name": "side_marker_wrong", "threshold": 0.6}]
        onnx.save(graph({LETTER_CHANCES: letters}, 64, card), folder / "marker.onnx")
    whole = {name: value for name, value in whole_outputs(estimate).items() if name != leave_out}
    onnx.save(graph(whole, 64, card), folder / "model.onnx")
    onnx.save(graph(close_up_outputs(estimate), 48, card), folder / "close_up.onnx")
    cv2.imwrite(str(folder / "golden/0.png"), np.random.default_rng(0).integers(0, 256, (50, 40), np.uint8))
    (folder / "golden/0.json").write_text(json.dumps({"values": _golden(folder, card)}))
    card["files"] = {name: sha256(folder / name) for name in (*graphs, "golden/0.png", "golden/0.json")}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return card


def _golden(folder: Path, card: Mapping[str, Any]) -> list[float]:
    from miqa_node.core.settings import Accelerator
    from miqa_node.stages.assess.goldens import golden_radiograph
    from miqa_node.stages.assess.landmarks.estimate import CLOSE_UP_OUTPUTS, WHOLE_OUTPUTS, LandmarkNetwork
    from miqa_node.stages.assess.landmarks.sidecar import golden_values, runner
    from miqa_node.stages.assess.session import GraphSession

    def run(name: str, outputs: tuple[str, ...]) -> Any:
        session = GraphSession(folder / name, Accelerator.CPU, intra_op_threads=1, inter_op_threads=1)
        return runner(session, [one for one in outputs if one in session.outputs])

    read = LandmarkCard.model_validate({**card, "files": {}})
    whole, closer = run("model.onnx", (*WHOLE_OUTPUTS, LUNGS)), run("close_up.onnx", CLOSE_UP_OUTPUTS)
    marker = MarkerNetwork(run("marker.onnx", (LETTER_CHANCES,)), read.marker.picture) if read.marker else None
    try:
        reader = LandmarkNetwork(whole, closer, read.picture, read.close_up, marker)
        return golden_values(reader(golden_radiograph("tiny", (folder / "golden/0.png").read_bytes()).display))
    except KeyError:  # an output was left out
        return []
