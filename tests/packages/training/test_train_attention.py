"""``train attention`` on a small self-made hospital: a graph and the figures of every set of features and every map."""

from __future__ import annotations

import csv
import json
import math
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from tests.packages.training.hospital import chest, save, write_data
from tests.stages.assess.anomaly.making import TAPS
from tests.stages.assess.making import write_package

pytestmark = pytest.mark.more

pytest.importorskip("torch", reason="needs the extra [train]")
pytest.importorskip("sklearn", reason="needs the extra [train]")

BOXED = ("file", "source_set", "licence", "patient", "view", "notes", "width", "height", "boxes")


def write_boxes(folder: Path, images: int = 3) -> None:
    """Radiologists' boxes of disease, at the same place of each image."""
    rows = []
    for number in range(images):
        image = chest(2000 + number)
        save(folder / f"b{number}.png", image)
        size = (image.shape[1], image.shape[0])
        drawn = json.dumps([[size[0] * 0.2, size[1] * 0.4, size[0] * 0.2, size[1] * 0.2, "Pneumonia", "reader"]])
        rows.append((f"b{number}.png", "nih", "free", f"x{number}", "PA", "", *size, drawn))
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([BOXED, *rows])


def test_the_whole_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from miqa_training import anomaly_regions, ordinary
    from miqa_training.attention.compare import FIGURES, GRAPH, SETS, train_attention
    from miqa_training.attention.looks import TransformerGraph
    from miqa_training.attention.network import VitShape
    from miqa_training.attention.pretrain import PretrainSettings

    monkeypatch.setattr(ordinary, "TREES", 20)
    monkeypatch.setattr(anomaly_regions, "TREES", 20)
    data = write_data(tmp_path / "data", training=32)
    write_boxes(data / "cxr_boxes")
    (data / "dicom_cases").mkdir()
    shutil.copy(Path(str(files("data_store") / "data" / "RG3_UNCR.dcm")), data / "dicom_cases" / "x__RG3_UNCR.dcm")
    write_package(tmp_path / "tiny-1.0.0", saliency={"maps": "maps", "method": "mean", "taps": TAPS})
    shape = VitShape(side_px=64, patch_px=8, width=24, depth=2, heads=2, decoder_width=12, decoder_depth=1)
    settings = PretrainSettings(steps=3, batch=4, shape=shape)

    figures = train_attention(data, tmp_path / "tiny-1.0.0", tmp_path / "run", settings, cache_dir=tmp_path / "cache")

    assert json.loads((tmp_path / "run" / FIGURES).read_text()) == json.loads(json.dumps(figures))
    assert set(figures["features"]) == set(SETS)
    assert all(0.0 <= value <= 1.0 for row in figures["features"].values() for value in row.values())
    assert {"real objects", "pathologies (cxr_boxes)"} <= set(figures["regions"])
    maps = figures["regions"]["pathologies (cxr_boxes)"]["methods"]
    assert {
        "centre",
        "random",
        "lungs",
        "nearest place, network",
        "nearest place, transformer",
        "attention alone",
    } <= set(maps)
    assert all(math.isfinite(row["dice"]) and 0.0 <= row["iou"] <= row["dice"] <= 1.0 for row in maps.values())
    assert figures["training"]["steps"] == 3
    assert 0 < figures["training"]["images"] < 32
    view = np.zeros((64, 64), np.float32)
    assert TransformerGraph(tmp_path / "run" / GRAPH).attend(view).attention.shape == (8, 8)
