"""Writes quality packages around ordinary networks: one image in, one row of numbers out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from miqa_node.stages.assess.card import METADATA_KEY
from tests.stages.assess.making import sha256

SIDE = 48
NAMES = ("motion_blur", "foreign_object")


def plain_graph(call: dict[str, Any], *, maps: bool = False) -> onnx.ModelProto:
    """A convolution, a rectifier, the mean and a linear layer: bright places speak for the first class."""
    rng = np.random.default_rng(7)
    channels, last = call.get("channels", 1), call.get("layout") == "NHWC"
    shape = [1, SIDE, SIDE, channels] if last else [1, channels, SIDE, SIDE]
    first = [helper.make_node("Transpose", ["picture"], ["nchw"], perm=[0, 3, 1, 2])] if last else []
    constants = {
        "kernel": rng.uniform(0.1, 0.5, (4, channels, 3, 3)).astype(np.float32),
        "weight": np.array([[2.0, 1.0, 1.5, 2.5], [-1.0, 0.5, -0.5, -1.0]], np.float32),
        "bias": np.array([-1.0, 0.5], np.float32),
    }
    nodes = [
        *first,
        helper.make_node("Conv", ["nchw" if last else "picture", "kernel"], ["filtered"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["filtered"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["score"], transB=1),
        helper.make_node("Sigmoid", ["score"], ["chance"]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("score", "chance")]
    if maps:
        constants["positive"] = np.maximum(constants["weight"], 0.0)[:, :, None, None]
        nodes.append(helper.make_node("Conv", ["features", "positive"], ["evidence"], kernel_shape=[1, 1]))
        outputs.append(helper.make_tensor_value_info("evidence", TensorProto.FLOAT, [1, 2, SIDE - 2, SIDE - 2]))
    graph = helper.make_graph(
        nodes,
        "plain",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def write_plain(
    folder: Path, *, saliency: dict[str, Any] | None = None, names: Any = NAMES,
    words: dict[str, Any] | None = None, **call: Any,
) -> None:  # fmt: skip
    """A complete package; its golden is computed with ONNX's own reference evaluator, not with the node."""
    (folder / "golden").mkdir(parents=True)
    name, _, version = folder.name.rpartition("-")
    section: dict[str, Any] = {"input": "picture", "rows": SIDE, "columns": SIDE, "logits": "score"} | call
    code = {"value": "111207", "scheme": "DCM", "meaning": "Image artifact(s)"}
    card: dict[str, Any] = {
        "name": name,
        "version": version,
        "intended_use": "tests",
        "not_for": "patients",
        "limits": [],
        "applicability": {"modality": [], "body_part": [], "view": []},
        "contract": "plain_image",
        "call": section,
        "outputs": {
            "classes": [
                {"name": n, "gate": False, "code": code, "threshold": 0.5, "temperature": 1.0, "bias": 0.0}
                | ({"words": words[n]} if words and n in words else {})
                for n in names
            ]
        },
        "calibration": {},
        "training": {},
        "metrics": {},
        "golden": [{"input": "golden/0.png", "expected": "golden/0.json"}],
    }
    if saliency:
        card["saliency"] = saliency
    model = plain_graph(section, maps=bool(saliency and saliency.get("maps")))
    helper.set_model_props(model, {METADATA_KEY: json.dumps(card)})
    onnx.save(model, folder / "model.onnx")
    pixels = np.random.default_rng(0).integers(0, 65536, (SIDE, SIDE), np.uint16)
    cv2.imwrite(str(folder / "golden/0.png"), pixels)
    chance = _chance(model, pixels, section)
    (folder / "golden/0.json").write_text(json.dumps({"probability": chance, "severity": chance}))
    card["files"] = {one: sha256(folder / one) for one in ("model.onnx", "golden/0.png", "golden/0.json")}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))


def _chance(model: onnx.ModelProto, pixels: np.ndarray, call: dict[str, Any]) -> list[float]:
    scaled = pixels.astype(np.float64) / 65535 * call.get("white", 1.0)
    stack = np.stack([scaled] * call.get("channels", 1))[None]
    stack = (stack - np.reshape(call.get("mean", [0.0]), (1, -1, 1, 1))) / np.reshape(
        call.get("std", [1.0]), (1, -1, 1, 1)
    )
    image = stack.transpose(0, 2, 3, 1) if call.get("layout") == "NHWC" else stack
    evaluator = ReferenceEvaluator(model)
    [chance] = evaluator.run(["chance"], {"picture": image.astype(np.float32)})
    return [float(value) for value in chance[0]]
