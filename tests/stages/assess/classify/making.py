"""Writes real classification packages for tests: two tiny graphs that tell dark pictures from bright ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from miqa_node.stages.assess.card import METADATA_KEY
from miqa_node.stages.assess.classify.card import ClassifierCard
from miqa_node.stages.assess.classify.classifier import combined
from miqa_node.stages.assess.classify.picture import prepare
from tests.stages.assess.making import sha256

SIDE = 32
LABELS = ("Normal", "Pneumonia")


def graph(gain: float, card: dict[str, Any]) -> onnx.ModelProto:
    """Logit of Pneumonia is the mean brightness times ``gain``, that of Normal its opposite; the tap is ``deep``."""
    weight = np.array([-gain, gain], np.float32).reshape(2, 1)
    nodes = [
        helper.make_node("AveragePool", ["image"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Relu", ["small"], ["deep"]),
        helper.make_node("GlobalAveragePool", ["deep"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["row"]),
        helper.make_node("Gemm", ["row", "weight", "bias"], ["logits"], transB=1),
    ]
    made = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array([gain / 2, -gain / 2], np.float32), "bias"),
        ],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: json.dumps({k: v for k, v in card.items() if k != "files"})})
    return model


def write_classifier(folder: Path, version: str = "1.0.0", name: str = "lungs", **changes: Any) -> dict[str, Any]:
    """Write a complete package of two members; the card as written. ``changes`` replace sections of it."""
    (folder / "golden").mkdir(parents=True)
    card: dict[str, Any] = {
        "task": "classification",
        "name": name,
        "version": version,
        "intended_use": "tests",
        "not_for": "patients",
        "limits": ["It looks at brightness."],
        "applicability": {"modality": ["CR", "DX"], "body_part": ["CHEST", ""], "view": ["PA", "AP", ""]},
        "clinical": True,
        "picture": {"rows": SIDE, "columns": SIDE, "stretch": None, "mean": [0.0], "std": [1.0]},
        "labels": [
            {"name": "Normal"},
            {"name": "Pneumonia", "code": {"value": "233604007", "scheme": "SCT", "meaning": "Pneumonia"}},
        ],
        "members": [
            {"file": "a.onnx", "architecture": "mean", "temperature": 1.0, "tap": "deep"},
            {"file": "b.onnx", "architecture": "mean", "temperature": 2.0, "bias": [0.1, 0.0], "weight": 3.0},
        ],
        "operating_point": {"label": "Pneumonia", "threshold": 0.4},
        "calibration": {},
        "training": {},
        "metrics": {},
        "golden": [{"input": "golden/0.png", "expected": "golden/0.json"}],
    } | changes
    onnx.save(graph(8.0, card), folder / "a.onnx")
    onnx.save(graph(12.0, card), folder / "b.onnx")
    pixels = np.random.default_rng(0).integers(0, 65536, (50, 40), np.uint16)
    cv2.imwrite(str(folder / "golden/0.png"), pixels)
    checked = ClassifierCard.model_validate(card | {"files": {}})
    mean = float(prepare(pixels, checked.picture).reshape(-1).mean())
    logits = [np.array([[gain / 2 - gain * mean, gain * mean - gain / 2]]) for gain in (8.0, 12.0)]
    scores = combined(logits, checked.members, checked.combination)[0]
    expected = {"scores": dict(zip(LABELS, scores.tolist(), strict=True))}
    (folder / "golden/0.json").write_text(json.dumps(expected))
    names = ("a.onnx", "b.onnx", *(("golden/0.png", "golden/0.json") if card["golden"] else ()))
    if not card["golden"]:
        shutil.rmtree(folder / "golden")  # a package is exactly its listed files
    card["files"] = {one: sha256(folder / one) for one in names}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return card
