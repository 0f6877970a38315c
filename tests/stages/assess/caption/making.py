"""A tiny but real caption package: it says whether an image is dark or bright."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

PIECES = ["[BEGIN]", "[END]", "a", "dark", "bright", "pic", "##ture."]
# From each piece the next one is the likeliest; after "a" the brightness decides.
FOLLOWS = {0: 2, 3: 5, 4: 5, 5: 6, 6: 1}


def write_captions(folder: Path, *, golden_text: str = "a bright picture.", pieces: list[str] = PIECES) -> Path:
    """The package as a folder ``<name>-<version>``."""
    (folder / "golden").mkdir(parents=True)
    _encoder(folder / "encoder.onnx")
    _decoder(folder / "decoder.onnx")
    (folder / "vocabulary.json").write_text(json.dumps(pieces))
    cv2.imwrite(str(folder / "golden/bright.png"), np.full((16, 16), 200, np.uint8))
    (folder / "golden/bright.json").write_text(json.dumps({"text": golden_text}))
    name, _, version = folder.name.rpartition("-")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    card = {
        "task": "caption", "name": name, "version": version, "intended_use": "test",
        "not_for": ["use"], "limits": ["all"],
        "applicability": {"modality": [], "body_part": [], "view": []},
        "calibration": {}, "training": {}, "metrics": {},
        "input": {"rows": 8, "columns": 8, "mean": [0.5], "std": [0.5]},
        "words": {"begin": [0], "end": 1, "pieces": "wordpiece"},
        "golden": [{"input": "golden/bright.png", "expected": "golden/bright.json"}],
        "files": {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    }  # fmt: skip
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return folder


def _encoder(path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "one"], ["last_hidden_state"]),
    ]
    _save(
        path, nodes, [("pixel_values", TensorProto.FLOAT, [1, 1, 8, 8])],
        ("last_hidden_state", [1, 1, 1]), {"one": np.array([1], np.int64)},
    )  # fmt: skip


def _decoder(path: Path) -> None:
    """Logits of the next piece: a table by the last piece, and brightness for "bright" and against "dark"."""
    table = np.zeros((len(PIECES), len(PIECES)), np.float32)
    for last, following in FOLLOWS.items():
        table[last, following] = 9.0
    tone = np.zeros((1, len(PIECES)), np.float32)
    tone[0, 3], tone[0, 4] = -1.0, 1.0
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["by_piece"]),
        helper.make_node("MatMul", ["encoder_hidden_states", "tone"], ["by_tone"]),
        helper.make_node("Add", ["by_piece", "by_tone"], ["logits"]),
    ]
    inputs = [("input_ids", TensorProto.INT64, [1, "T"]), ("encoder_hidden_states", TensorProto.FLOAT, [1, 1, 1])]
    _save(path, nodes, inputs, ("logits", [1, "T", len(PIECES)]), {"table": table, "tone": tone})


def _save(path: Path, nodes: list[Any], inputs: list[Any], output: tuple[Any, ...], constants: dict[str, Any]) -> None:
    graph = helper.make_graph(
        nodes, path.stem, [helper.make_tensor_value_info(*shape) for shape in inputs],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
