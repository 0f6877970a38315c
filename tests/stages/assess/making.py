"""Writes real model packages for tests: a tiny graph of the contract with its card and a golden example."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.taxonomy.lookup import defect_names, gate_names
from miqa_node.stages.assess.card import METADATA_KEY
from miqa_node.stages.assess.preprocess import Crops, GlobalView, Preprocess, prepare
from miqa_node.stages.units.kinds import image_traits

CR = "1.2.840.10008.5.1.4.1.1.1"
CLASSES = [str(name) for name in (*defect_names(), *gate_names())]


def graph(card: dict[str, Any], fault: str = "") -> onnx.ModelProto:
    """A real, tiny graph of the contract: class k's logit is the mean of the view, times k, plus that of the crops.

    With the fault "slow" it loops for hours, with "hungry" it asks for 80 GB.
    """
    count = len(CLASSES)
    weights = np.arange(count, dtype=np.float32).reshape(1, count) / count
    nodes = [
        helper.make_node("GlobalAveragePool", ["global_view"], ["view_mean"]),
        helper.make_node("Reshape", ["view_mean", "row"], ["view_row"]),
        helper.make_node("MatMul", ["view_row", "weights"], ["by_class"]),
        helper.make_node("ReduceMean", ["crops"], ["crop_mean"], keepdims=0),
        helper.make_node("Add", ["by_class", "crop_mean"], ["sum"]),
        *_fault(fault),
        helper.make_node("Sigmoid", ["logits"], ["severity"]),
        helper.make_node("AveragePool", ["global_view"], ["small"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Abs", ["small"], ["positive"]),
        helper.make_node("Expand", ["positive", "maps_shape"], ["maps"]),
    ]
    constants = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(np.array([1, 1], np.int64), "row"),
        numpy_helper.from_array(np.array([1, count, 1, 1], np.int64), "maps_shape"),
        numpy_helper.from_array(np.array([1 << 40], np.int64), "trips"),
        numpy_helper.from_array(np.array([20_000_000_000, 1], np.int64), "huge"),
    ]
    view = [1, 1, 64, 64]
    made = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("global_view", TensorProto.FLOAT, view),
            helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["crops", 1, 32, 32]),
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("logits", [1, count]), ("severity", [1, count]), ("maps", [1, count, 8, 8]))
        ],
        constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: json.dumps({k: v for k, v in card.items() if k != "files"})})
    return model


def _fault(fault: str) -> list[onnx.NodeProto]:
    if fault == "slow":
        value, truth = TensorProto.FLOAT, TensorProto.BOOL
        body = helper.make_graph(
            [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["x"], ["y"])],
            "forever",
            [
                helper.make_tensor_value_info("i", TensorProto.INT64, []),
                helper.make_tensor_value_info("go", truth, []),
                helper.make_tensor_value_info("x", value, None),
            ],
            [helper.make_tensor_value_info("go_on", truth, []), helper.make_tensor_value_info("y", value, None)],
        )
        return [helper.make_node("Loop", ["trips", "", "sum"], ["logits"], body=body)]
    if fault == "hungry":
        return [
            helper.make_node("Expand", ["view_mean", "huge"], ["eighty_gigabytes"]),
            helper.make_node("ReduceMean", ["eighty_gigabytes"], ["much"], keepdims=0),
            helper.make_node("Add", ["sum", "much"], ["logits"]),
        ]
    return [helper.make_node("Identity", ["sum"], ["logits"])]


def write_package(
    folder: Path, version: str = "1.0.0", name: str = "tiny", *, fault: str = "", **changes: Any
) -> dict[str, Any]:
    """Write a complete package; the card as written. ``changes`` replace sections of it."""
    (folder / "golden").mkdir(parents=True)
    spec = Preprocess(
        global_view=GlobalView(rows=64, columns=64), crops=Crops(size_px=32, long_side_px=96, most_per_side=2)
    )
    code = {"value": "111207", "scheme": "DCM", "meaning": "Image artifact(s)"}
    card: dict[str, Any] = {
        "name": name,
        "version": version,
        "intended_use": "tests",
        "not_for": "patients",
        "limits": [],
        "applicability": {
            "modality": ["CR"],
            "body_part": ["CHEST", ""],
            "view": ["PA", "AP"],
            "pixel_pitch_mm": {"min": 0.05, "max": 1.0},
        },
        "preprocess": spec.model_dump(mode="json"),
        "outputs": {
            "classes": [
                {
                    "name": n,
                    "gate": n in gate_names(),
                    "code": code,
                    "threshold": 0.5,
                    "temperature": 2.0,
                    "bias": 0.1,
                }
                for n in CLASSES
            ]
        },
        "saliency": {"maps": "maps", "method": "mean", "taps": []},
        "calibration": {},
        "training": {},
        "metrics": {},
        "golden": [{"input": "golden/0.png", "expected": "golden/0.json"}],
    } | changes
    onnx.save(graph(card, fault), folder / "model.onnx")
    pixels = np.random.default_rng(0).integers(0, 65536, (120, 90), np.uint16)
    cv2.imwrite(str(folder / "golden/0.png"), pixels)
    write_expected(folder, pixels, spec)
    goldens = ("golden/0.png", "golden/0.json") if card["golden"] else ()
    if not goldens:
        shutil.rmtree(folder / "golden")  # a package is exactly its listed files
    card["files"] = {name: sha256(folder / name) for name in ("model.onnx", *goldens)}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return card


def write_expected(folder: Path, pixels: np.ndarray, spec: Preprocess) -> None:
    inputs = prepare(pixels, None, spec)
    logits = inputs.global_view.mean() * np.arange(len(CLASSES)) / len(CLASSES) + inputs.crops.mean()
    expected = {
        "probability": (1 / (1 + np.exp(-(logits + 0.1) / 2.0))).tolist(),
        "severity": (1 / (1 + np.exp(-logits))).tolist(),
    }
    (folder / "golden/0.json").write_text(json.dumps(expected))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def radiograph(seed: int = 0, shape: tuple[int, int] = (120, 90)) -> Radiograph:
    """Noise as a decoded image; its mean falls with the seed."""
    pixels = np.random.default_rng(seed).integers(0, 65536 >> min(seed, 8), shape, np.uint16)
    return Radiograph(pixels, pixels, (0, 65535), (0.2, 0.2), steps=("made",), decoder="made")


def chest_header(number: int = 1, **values: Any) -> Header:
    """Header of a chest radiograph that the tiny package applies to."""
    attributes = {"modality": "CR", "body_part_examined": "CHEST", "view_position": "PA"} | values
    uids = SopInstanceUid(f"1.2.3.{number}"), SeriesInstanceUid("1.2.4"), StudyInstanceUid(f"1.2.5.{number}")
    return Header(CR, *uids, "1.2.840.10008.1.2.1", **attributes)


RADIOGRAPH = image_traits(chest_header())


def chest_dataset(number: int, brightness: float = 0.5) -> FileDataset:
    """A small chest radiograph of noise, each number of another patient; the tiny graph fires on bright ones."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(CR), UID(f"1.2.826.0.1.1.{number}")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = UID(CR), UID(f"1.2.826.0.1.1.{number}")
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.826.0.1.2.{number}", f"1.2.826.0.1.3.{number}"
    ds.PatientID, ds.PatientName, ds.StudyDate = f"P{number}", "Doe^Jane", "20261120"
    ds.Modality, ds.BodyPartExamined, ds.ViewPosition = "CR", "CHEST", "PA"
    ds.Rows, ds.Columns, ds.PixelSpacing = 120, 96, [0.2, 0.2]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 16, 12, 11, 0, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    rng = np.random.default_rng(number)
    bright = rng.random((120, 96)) < brightness
    ds.PixelData = (bright * 3000 + rng.integers(0, 1000, (120, 96))).astype(np.uint16).tobytes()
    return ds
