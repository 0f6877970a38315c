"""Runs a real node in an environment that has the examples installed, and prints what came of it as JSON.

Started by test_examples.py with the Python of that environment; the only argument is an empty folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from pydicom import dcmread
from pydicom.data import get_testdata_file

from miqa_node.stages.assess.card import METADATA_KEY
from miqa_selftest.launch import NodeProcess, free_ports
from tests.waiting import wait_until

T = TypeVar("T")
LIMIT_S = 60.0
PACKAGE = "centre-1.0.0"
CODE = {"value": "111210", "scheme": "DCM", "meaning": "Motion blur"}
POLICY = """
version = "examples"

[[rule]]
then = "REVIEW"
evidence = "card"
each = [
    { finding = "patient_motion" },
    { measurement = "skipped_values", above = -1, reason = "patient_motion" },
]
"""


def write_package(folder: Path) -> None:
    """A network of the example's contract whose only finding is that of the example's taxonomy: always present."""
    (folder / "golden").mkdir(parents=True)
    card: dict[str, Any] = {
        "name": "centre",
        "version": "1.0.0",
        "intended_use": "the examples",
        "not_for": "patients",
        "limits": [],
        "applicability": {"modality": [], "body_part": [], "view": []},
        "contract": "centre_crop",
        "outputs": {
            "classes": [
                {
                    "name": "patient_motion",
                    "gate": False,
                    "code": CODE,
                    "threshold": 0.5,
                    "temperature": 1.0,
                    "bias": 0.0,
                }
            ]
        },
        "calibration": {},
        "training": {},
        "metrics": {},
        "golden": [{"input": "golden/0.png", "expected": "golden/0.json"}],
    }
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["centre"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"]),
            helper.make_node("Add", ["flat", "three"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["severity"]),
        ],
        "centre",
        [helper.make_tensor_value_info("centre", TensorProto.FLOAT, [1, 1, 256, 256])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1]) for name in ("logits", "severity")],
        [numpy_helper.from_array(np.array([[3.0]], np.float32), "three")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: json.dumps(card)})
    onnx.save(model, folder / "model.onnx")
    cv2.imwrite(str(folder / "golden/0.png"), np.zeros((300, 300), np.uint16))
    chance = 1.0 / (1.0 + np.exp(-3.0))  # black: the mean is zero
    (folder / "golden/0.json").write_text(json.dumps({"probability": [chance], "severity": [chance]}))
    listed = ("model.onnx", "golden/0.png", "golden/0.json")
    card["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in listed}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))


def write_settings(folder: Path) -> Path:
    """Settings, rules and destinations that use every example."""
    (folder / "policy.toml").write_text(POLICY)
    (folder / "destinations.toml").write_text(
        f'[[destination]]\nname = "list"\nkind = "checksums"\nfile = "{folder}/checksums.txt"\n'
        'objects = ["SR", "LIGHT"]\n'
    )
    settings = folder / "miqa.toml"
    settings.write_text(
        f'[assess]\nshipped_packages = false\nmodels_dir = "{folder}/models"\nquality_package = "{PACKAGE}"\n'
        f'[policy]\nfile = "{folder}/policy.toml"\n[deliver]\ndestinations_file = "{folder}/destinations.toml"\n'
        f'[sources.filelist]\nfile = "{folder}/list.txt"\n'
    )
    return settings


def run_command(settings: Path, *arguments: str) -> str:
    """Output of ``miqa-node``."""
    program = Path(sys.executable).with_name("miqa-node")
    options = ("--config", str(settings), "--data-dir", str(settings.parent / "data"))
    done = subprocess.run([program, *arguments, *options], capture_output=True, text=True, check=False)
    return done.stdout or done.stderr


def wait_for(look: Callable[[], T | None]) -> T:
    """What the function gives once it gives something."""
    answer = wait_until(look, LIMIT_S, look.__name__, look_s=0.2)
    assert answer is not None
    return answer


def main(folder: Path) -> dict[str, Any]:
    """The whole story; everything that the test compares."""
    write_package(folder / "models" / PACKAGE)
    settings = write_settings(folder)
    image = str(files("data_store") / "data" / "RG1_UNCR.dcm")
    waveform = str(get_testdata_file("waveform_ecg.dcm", download=False))
    uids = {name: str(dcmread(path).SOPInstanceUID) for name, path in (("image", image), ("waveform", waveform))}
    (folder / "list.txt").write_text(f"{image}\n{waveform}\n")
    lamps = folder / "lamps"
    lamps.mkdir()
    os.environ["SITE_LAMPS"] = str(lamps)
    dicom_port, web_port = free_ports((0, 0))
    node = NodeProcess(folder / "data", "MIQA", dicom_port, web_port, more=("--config", str(settings)))
    with node:
        verdicts = {name: _verdict(node, uid) for name, uid in uids.items()}
        lines = wait_for(lambda: _lines(folder / "checksums.txt", 2))
        with urllib.request.urlopen(f"http://127.0.0.1:{web_port}/verdicts") as response:
            page = response.read().decode()
        with urllib.request.urlopen(f"http://127.0.0.1:{web_port}/") as response:
            worklist = response.read().decode()
        backlog = wait_for(lambda: _backlog(folder / "data" / "backlog.txt"))
        with urllib.request.urlopen(f"http://127.0.0.1:{web_port}/metrics") as response:
            metrics = response.read().decode()
        doctor = json.loads(run_command(settings, "doctor", "--json"))
        counted = run_command(settings, "verdicts")
        reports = [dcmread(path) for path in (folder / "data").rglob("*.dcm") if "results" in path.parts]
    return {
        "instances": verdicts,
        "delivered": lines,
        "page": page,
        "worklist": worklist,
        "doctor": doctor["checks"],
        "verdicts": counted,
        "report": next(str(one) for one in reports if one.Modality == "SR"),
        "backlog": backlog,
        "metrics": [line for line in metrics.splitlines() if line.startswith("site_")],
        "lamps": sorted(lamp.read_text() for lamp in lamps.iterdir()),
        "lights": sum(one.get("SeriesDescription") == "Quality light" for one in reports),
        "help": run_command(settings, "verdicts", "--help"),
    }


def _verdict(node: NodeProcess, uid: str) -> dict[str, Any]:
    return wait_for(lambda: _judged(node, uid))


def _judged(node: NodeProcess, uid: str) -> dict[str, Any] | None:
    instance = node.instance(uid)
    return instance if instance and instance.get("disposition") else None


def _backlog(path: Path) -> str:
    """The file once nothing waits any more."""
    text = path.read_text() if path.exists() else ""
    return text if text == "0\n" else ""


def _lines(path: Path, least: int) -> list[str] | None:
    lines = path.read_text().splitlines() if path.exists() else []
    return lines if len(lines) >= least else None


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1])), default=str))
