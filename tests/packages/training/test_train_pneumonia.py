"""``miqa-node train pneumonia`` and ``evaluate pneumonia`` from a folder of pictures to a package that is sound."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

pytest.importorskip("torch")

from miqa_node.core.domain.prediction import Prediction
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.interfaces.cli.app import app
from miqa_node.stages.assess.card import gradient_file, read_sections
from miqa_node.stages.assess.classify.classifier import open_classifier
from miqa_training.patients import PatientPart
from miqa_training.pneumonia.data import (
    calibrates,
    read_elsewhere,
)
from miqa_training.pneumonia.evaluate import PneumoniaCase, both_labels, by_hospital
from tests.conftest import ROOT, SHARED

pytestmark = pytest.mark.more

MOBILENET = SHARED / "data" / "pretrained" / "mobilenet_v2_1.0_224_quant.tflite"


def make_data(folder: Path, patients: int = 360) -> Path:
    """Phantoms of children (two thirds) and adults, half of each with grain in the lungs, as in the real manifest."""
    rng = np.random.default_rng(8)
    fields = ("file", "patient", "source_set", "label", "label_strength", "split", "age", "view", "licence")
    (folder / "cxr_pneumonia").mkdir(parents=True)
    (folder / "pretrained").mkdir()
    (folder / "pretrained" / MOBILENET.name).symlink_to(MOBILENET.resolve())
    make_elsewhere(folder / "cxr_eval", rng)
    with (folder / "cxr_pneumonia" / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, fields)
        rows.writeheader()
        for number in range(patients):
            child, ill = 3 * number < 2 * patients, number % 2 == 1
            name = f"{number}.png"
            cv2.imwrite(str(folder / "cxr_pneumonia" / name), phantom(ill, rng))
            rows.writerow({
                "file": name, "patient": f"p{number}", "source_set": "ker224" if child else "nih",
                "label": "pneumonia" if ill else "normal", "label_strength": "" if child else "RSNA radiologists",
                "split": "val" if child and number % 10 < 2 else "train", "age": "3" if child else "50",
                "view": "AP" if number % 4 < 2 else "PA", "licence": "CC BY 4.0",
            })  # fmt: skip
    return folder


def make_elsewhere(folder: Path, rng: np.random.Generator) -> None:
    """Three further hospitals, two with pneumonia only; what is not told does not count."""
    rows = [("both", "COVID-19", "AP Supine")] * 6 + [("both", "No finding", "PA")] * 6
    rows += [("sick", "COVID-19", "")] * 3 + [("sick", "inconclusive", "PA"), ("nih", "normal", "PA")]
    rows += [("hannover", "COVID-19", "AP")] * 10
    fields = ("file", "patient", "source_set", "label", "age", "view", "licence", "notes")
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(fields)
        for number, (source, label, view) in enumerate(rows):
            cv2.imwrite(str(folder / f"{number}.png"), phantom(label == "COVID-19", rng))
            table.writerow((f"{number}.png", f"e{number}", source, label, "50", view, "CC BY 4.0", ""))


def chest(_ill: bool, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A radiograph of the package's goldens, each time with other grain that nobody sees."""
    image = cv2.imread(str(ROOT / "models" / "quality-0.9.3" / "golden" / "chest.png"), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    grainy: NDArray[np.uint8] = np.clip(image + rng.integers(-1, 2, image.shape), 0, 255).astype(np.uint8)
    return grainy


def make_boxes(folder: Path) -> None:
    """Two radiographs with a box of a quarter of the image each."""
    rng = np.random.default_rng(2)
    folder.mkdir()
    boxes = '[[24, 24, 48, 48, "Lung Opacity", "RSNA radiologist"]]'
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("file", "patient", "width", "height", "boxes"))
        for number in range(2):
            cv2.imwrite(str(folder / f"{number}.png"), phantom(True, rng))
            table.writerow((f"{number}.png", f"b{number}", 96, 96, boxes))


def mislabel(manifest: Path) -> None:
    """Swap every eighth label: what is told apart without an error has no temperature."""
    lines = manifest.read_text("utf-8").splitlines()
    for number in range(2, len(lines), 8):  # even lines are pneumonia, odd ones normal
        lines[number] = lines[number].replace(",pneumonia,", ",normal,")
    for number in range(5, len(lines), 8):
        lines[number] = lines[number].replace(",normal,", ",pneumonia,")
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")


def phantom(ill: bool, rng: np.random.Generator) -> np.ndarray:
    image = np.full((96, 96), 170, np.float32)
    for x in (30, 66):
        cv2.ellipse(image, (x, 48), (14, 32), 0, 0, 360, 60, -1)
    grain = cv2.resize(rng.normal(0, 1, (24, 24)).astype(np.float32), (96, 96), interpolation=cv2.INTER_NEAREST)
    image += (35.0 if ill else 4.0) * grain + rng.normal(0, 4, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def test_adults_of_further_hospitals_are_grouped_by_hospital_and_label(tmp_path: Path) -> None:
    samples = read_elsewhere(make_data(tmp_path))
    assert len(samples) == 25
    assert all(s.part is PatientPart.ELSEWHERE for s in samples)
    assert not any(calibrates(s) for s in samples), "of most hospitals only one label is here"
    assert {s.view for s in samples} == {"AP", "PA", ""}
    cases = [
        PneumoniaCase(s, Prediction("p-1.0.0", "ab" * 32, "Pneumonia" if s.pneumonia else "Normal", 0.9, {}))
        for s in samples
    ]
    assert {name: len(group) for name, group in by_hospital(cases).items()} == {
        "both, Pneumonia": 6,
        "both, Normal": 6,
        "hannover, Pneumonia": 10,
        "sick, Pneumonia": 3,
    }
    assert [len(group) for group in both_labels(cases).values()] == [12]


@pytest.mark.long
@pytest.mark.shared
@pytest.mark.skipif(not MOBILENET.is_file(), reason="../shared/data/pretrained is not here")
@pytest.mark.timeout(900)
def test_one_command_makes_a_package_that_is_sound(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", 480)
    made = CliRunner().invoke(
        app,
        ["train", "pneumonia", "--data", str(data), "--out", str(tmp_path / "models"), "--draws", "192",
         "--version", "9.0.0", "--runs", str(tmp_path / "runs")],
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    folder = tmp_path / "models" / "pneumonia-ensemble-9.0.0"
    assert made.output.strip().splitlines()[-1] == str(folder)
    checked = CliRunner().invoke(
        app, ["models", "check", folder.name], env={"MIQA_ASSESS__MODELS_DIR": str(folder.parent)}
    )
    assert checked.exit_code == 0, checked.output
    card = read_sections(folder)
    counts = card["calibration"]
    assert counts["children"] + counts["adults"] == counts["images"]
    assert any(f"{counts['adults']} of NIH's adults" in text for text in card["limits"])
    assert [row["population"] for row in card["automation"]] == ["children", "adults"]
    assert len(card["metrics"]["cross_population"]) == 4
    classifier = open_classifier(folder, Accelerator.CPU, load_settings().assess)
    rng = np.random.default_rng(1)
    grainy, smooth = (phantom(ill, rng).astype(np.uint16) * np.uint16(257) for ill in (True, False))
    scores, image = classifier.see(grainy)
    assert scores["Pneumonia"] > classifier.see(smooth)[0]["Pneumonia"]
    heat = classifier.map_of(image, "Pneumonia", grainy.shape)
    assert heat is not None
    assert heat.method == "layercam"


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_evaluation_tells_every_group_and_is_kept_in_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The node would call the phantoms images of another kind.
    monkeypatch.setattr(sys.modules[__name__], "phantom", chest)
    data = make_data(tmp_path / "data", 60)
    monkeypatch.undo()
    make_boxes(data / "cxr_boxes")
    shutil.copytree(ROOT / "models", tmp_path / "models")
    package = max((tmp_path / "models").glob("pneumonia-ensemble-*"))
    process = CliRunner().invoke(
        app, ["evaluate", "pneumonia", str(package), "--data", str(data), "--degraded", "8", "--write"]
    )
    assert process.exit_code == 0, process.output
    figures = read_sections(package)["metrics"]["test"]
    groups = figures["groups"]
    strong = groups["adults, radiologists' labels"]["images"]
    assert groups["adults, radiologists' labels, and of further hospitals"]["images"] == strong + 25
    assert groups["adults of further hospitals"]["patients"] == 25
    assert groups["adults of both"]["pneumonia"] == 6
    assert figures["elsewhere"]["sick, Pneumonia"]["images"] == 3
    assert figures["routing_with_simulated_defects"]["children"]["by confidence alone"]["images"] > 0
    assert figures["pointing_game"]["images"] == 2
    assert figures["pointing_game"]["methods"]["random"]["no_tolerance"] == pytest.approx(0.25, abs=0.02)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_networks_of_a_package_are_calibrated_again(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", 720)
    mislabel(data / "cxr_pneumonia" / "manifest.csv")
    package = max((ROOT / "models").glob("pneumonia-ensemble-*"))
    made = CliRunner().invoke(
        app,
        ["train", "pneumonia", "--networks", str(package), "--data", str(data), "--out", str(tmp_path / "models"),
         "--version", "9.1.0"],
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    folder = tmp_path / "models" / "pneumonia-ensemble-9.1.0"
    old, new = read_sections(package), read_sections(folder)
    assert new["members"] != old["members"]
    assert [row["population"] for row in new["automation"]] == ["children", "adults"]
    graphs = {member["file"]: gradient_file(member["file"]) for member in new["members"]}
    gradients = {graphs[member["file"]] for member in new["members"] if member["tap"]}
    assert {path.name for path in folder.glob("*.onnx")} == {*graphs, *gradients}
    assert new["training"]["networks"] == package.name
    assert "test" not in new["metrics"], "figures of the other calibration"
    opened = open_classifier(folder, Accelerator.CPU, load_settings().assess)
    assert len(opened.golden_differences) >= 5
