"""``train classifier``: two real data sets, gray and colour, become packages that a node opens and that are right."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from sklearn.datasets import load_digits, load_sample_images

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.errors import DecodeError
from miqa_node.interfaces.cli.app import app
from miqa_node.stages.assess.classify.classifier import Classifier, open_classifier
from miqa_node.stages.assess.classify.learned import mark_of, read_learned
from miqa_training.classifier.calibrate import fit_temperature, softmax, threshold_for_recall
from miqa_training.classifier.data import ClassifierPart, PixelReader, read_examples
from miqa_training.classifier.fit import balanced_weights
from tests.pictures import picture_pixels
from tests.stages.assess.making import chest_dataset

pytestmark = [
    pytest.mark.more,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real handwriting, gray: threes, and every third eight, so that the labels are not balanced."""
    folder, data = tmp_path_factory.mktemp("digits"), load_digits()
    for digit, name, step in ((3, "three", 1), (8, "eight", 3)):
        (folder / name).mkdir()
        for index in np.flatnonzero(data.target == digit)[::step]:
            cv2.imwrite(str(folder / name / f"{index}.png"), np.rint(data.images[index] * 15.9).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of two colour photographs, as a CSV; the columns of the photograph stand for patients."""
    folder = tmp_path_factory.mktemp("photographs")
    rng, rows = np.random.default_rng(1), []
    for name, image in zip(("palace", "flower"), load_sample_images().images, strict=True):
        for number in range(90):
            y, x = int(rng.integers(0, 427 - 64)), int(rng.integers(0, 9)) * 64
            file = f"{name}{number}.jpg"
            cv2.imwrite(str(folder / file), np.ascontiguousarray(image[y : y + 64, x : x + 64, ::-1]))
            rows.append({"file": file, "label": name, "patient": f"{name}-{x}"})
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["file", "label", "patient"])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "labels.csv"


def train(data: Path, tmp_path: Path, *more: str) -> dict[str, Any]:
    options = ["--out", str(tmp_path / "models"), "--report", str(tmp_path / "run"), "--json", "--size", "64"]
    ran = CliRunner().invoke(app, ["train", "classifier", "--data", str(data), *options, *more])
    assert ran.exit_code == 0, ran.output
    return dict(json.loads(ran.stdout))


def share_right(classifier: Classifier, data: Path) -> float:
    """Of the test part, as the node sees it: through the package and its own preparation of pictures."""
    right = []
    for example in (e for e in read_examples(data, 1) if e.part is ClassifierPart.TEST):
        pixels = picture_pixels(example.path).astype(np.uint16) * 257
        scores, _ = classifier.see(np.ascontiguousarray(pixels[..., ::-1]) if pixels.ndim == 3 else pixels)
        right.append(classifier.label(scores) == example.label)
    return float(np.mean(right))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_gray_folder_becomes_a_package_with_recall_first(digits: Path, tmp_path: Path) -> None:
    made = train(digits, tmp_path, "--name", "digits", "--arch", "cnn", "--epochs", "2", "--recall-target", "0.97")
    test, threshold = made["metrics"]["test"], made["metrics"]["threshold"]
    assert test["recall_first"] == "eight"  # the rarer one
    assert threshold["validation_recall"] >= 0.97
    assert test["auroc"] > 0.95
    assert 0 < threshold["threshold"] < 1
    package = Path(made["package"])
    classifier = open_classifier(package, Accelerator.CPU, load_settings().assess)
    assert len(classifier.golden_differences) == 8
    learned = [e for e in read_examples(digits, 1) if e.part is not ClassifierPart.TEST]
    pixels = PixelReader()
    assert read_learned(package) == frozenset(mark_of(pixels.read(one.path)) for one in learned)
    pixels.close()
    assert classifier.card.picture.channels == 1
    assert classifier.card.clinical
    assert share_right(classifier, digits) == pytest.approx(test["accuracy"], abs=1e-3)
    gray = picture_pixels(next(digits.glob("*/*.png")), cv2.IMREAD_GRAYSCALE).astype(np.uint16) * 257
    scores, image = classifier.see(gray)
    saliency = classifier.map_of(image, classifier.label(scores), gray.shape)
    assert saliency is not None
    assert saliency.values.max() == pytest.approx(1.0)
    page = Path(made["report"]).read_text(encoding="utf-8")
    assert "Recall first" in page
    assert "<script" not in page
    assert "eight is reported from" in page
    assert "Decision support" in (package / "MODEL_CARD.md").read_text(encoding="utf-8") or "decision support" in page
    assert str(tmp_path) not in (package / "card.yaml").read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.shared
def test_colour_photographs_from_pretrained_weights(photographs: Path, tmp_path: Path, shared_data: Path) -> None:
    weights = shared_data / "pretrained" / "squeezenet1_1_imagenet_notop_keras_tf.h5"
    options = ["--name", "photos", "--arch", "squeezenet", "--pretrained", str(weights), "--epochs", "2", "--technical"]
    made = train(photographs, tmp_path, *options)
    assert made["metrics"]["test"]["accuracy"] > 0.9
    classifier = open_classifier(Path(made["package"]), Accelerator.CPU, load_settings().assess)
    assert classifier.card.picture.colour
    assert not classifier.card.clinical
    assert share_right(classifier, photographs) == pytest.approx(made["metrics"]["test"]["accuracy"], abs=1e-3)
    parts: dict[str, Any] = {}
    for example in read_examples(photographs, 1):
        parts.setdefault(example.patient, set()).add(example.part)
    assert all(len(part) == 1 for part in parts.values())


def test_the_split_keeps_patients_and_copies_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(30):
            cv2.imwrite(str(tmp_path / label / f"{number}.png"), rng.integers(0, 256, (16, 16)).astype(np.uint8))
        for number in range(5):
            (tmp_path / label / f"copy{number}.png").write_bytes((tmp_path / label / f"{number}.png").read_bytes())
    examples = read_examples(tmp_path, 5)
    assert examples == read_examples(tmp_path, 5)
    assert [e.part for e in examples] != [e.part for e in read_examples(tmp_path, 6)]
    parts = {e.path.name + e.label: e.part for e in examples}
    for label in ("a", "b"):
        for number in range(5):
            assert parts[f"copy{number}.png{label}"] is parts[f"{number}.png{label}"]
        counts = [sum(e.part is part for e in examples if e.label == label) for part in ClassifierPart]
        assert min(counts) >= 5


def test_dicom_files_are_split_by_their_patient(tmp_path: Path, samples: Path) -> None:
    ds = pydicom.dcmread(samples / "MR2_UNCR.dcm", stop_before_pixels=True)
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(24):
            ds.PatientID, ds.InstanceNumber = f"{label}{number % 8}", number
            ds.save_as(tmp_path / label / f"{number}.dcm")
        (tmp_path / label / "notes.txt").write_text("no image")
    examples = read_examples(tmp_path, 1)
    assert len(examples) == 48
    parts: dict[str, set[Any]] = {}
    for example in examples:
        parts.setdefault(example.patient, set()).add(example.part)
    assert len(parts) == 16
    assert all(len(sides) == 1 for sides in parts.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,label\na.png,x\n", "no column file"),
        ("file,label\nmissing.png,x\n", "there is no file 'missing.png'"),
        ("file,label\na.png,x\na\0.png,x\n", r"labels.csv, line 3: there is no file 'a\x00.png'"),
        (f"file,label\n{'a' * 300}.png,x\n", "labels.csv, line 2: there is no file"),
        ("label,file\nx\n", "labels.csv, line 2: there is no file ''"),
        (f'file,label\n"{"a" * 140_000}",x\n', "labels.csv is not a CSV: field larger than field limit"),
        ("file,label\n", "labels.csv lists no image"),
        ("file,label,split\na.png,x,sometimes\n", "'sometimes'"),
        ("file,label\n" + "a.png,x\n" * 20 + "a.png,y\n" * 3, "Too few images of y"),
        ("file,label\n" + "a.png,x\n" * 20, "images of one label"),
    ],
)
def test_a_csv_that_does_not_do_is_refused_with_what_to_mend(tmp_path: Path, content: str, message: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8), np.uint8))
    (tmp_path / "labels.csv").write_text(content)
    where = ["--data", str(tmp_path / "labels.csv"), "--out", str(tmp_path), "--name", "x", "--report", str(tmp_path)]
    ran = CliRunner().invoke(app, ["train", "classifier", *where])
    assert ran.exit_code == 2
    assert message in ran.output


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """One of many thousands is damaged."""
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8))
    (tmp_path / "half.png").write_bytes((tmp_path / "a.png").read_bytes()[:999])
    pixels = PixelReader()
    try:
        with pytest.raises(DecodeError, match=r"half\.png: The picture is damaged"):
            pixels.read(tmp_path / "half.png")
    finally:
        pixels.close()


def test_an_image_has_one_label(tmp_path: Path) -> None:
    rows = ["file,label", *(f"{number}.png,{'ab'[number % 2]}" for number in range(40)), "0.png,b"]
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8), number, np.uint8))
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    with pytest.raises(ValueError, match=r"0\.png and .*0\.png are the same image with the labels a and b; leave one"):
        read_examples(tmp_path / "labels.csv", 1)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_csv_that_is_not_utf8_is_refused_with_what_to_do(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "labels.csv").write_text("file,label\nx.png,Brüche\n", encoding=encoding)
    with pytest.raises(ValueError, match=r"labels\.csv is not UTF-8 text; save it as CSV in UTF-8\."):
        read_examples(tmp_path / "labels.csv", 1)


def test_patients_in_two_parts_are_refused(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(1), ["file,label,patient,split"]
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 256, (8, 8)).astype(np.uint8))
        rows.append(f"{number}.png,{'ab'[number % 2]},{number // 4},{('train', 'val', 'test')[number % 3]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    with pytest.raises(ValueError, match="in more than one part"):
        read_examples(tmp_path / "labels.csv", 1)


def test_two_names_of_a_patient_are_one_patient(tmp_path: Path) -> None:
    """A file that two patients share took its second patient's name: that one's other images went to another part."""
    rng, rows = np.random.default_rng(1), ["file,label,patient"]
    for number in range(60):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 256, (8, 8)).astype(np.uint8))
        rows.append(f"{number}.png,{'ab'[number % 2]},p{number}")
    for number in range(0, 60, 2):  # each second patient again, under another name and with a further image
        cv2.imwrite(str(tmp_path / f"more{number}.png"), rng.integers(0, 256, (8, 8)).astype(np.uint8))
        shutil.copy(tmp_path / f"{number}.png", tmp_path / f"same{number}.png")
        rows += [f"{name}{number}.png,a,q{number}" for name in ("same", "more")]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    parts = {example.path.stem: example.part for example in read_examples(tmp_path / "labels.csv", 1)}
    assert all(parts[f"more{number}"] == parts[f"{number}"] == parts[f"same{number}"] for number in range(0, 60, 2))


def test_dicom_files_name_the_patients_that_a_csv_leaves_open(tmp_path: Path) -> None:
    """With a single patient in the column, the Patient IDs of all other rows were ignored."""
    rows = ["file,label,patient", *(f"{number}.dcm,{'ab'[number % 2]}," for number in range(60))]
    for number in range(60):
        ds = chest_dataset(number)
        ds.PatientID = f"P{number // 4}"
        ds.save_as(tmp_path / f"{number}.dcm")
    (tmp_path / "labels.csv").write_text("\n".join(rows).replace("0.dcm,a,", "0.dcm,a,P0", 1))
    parts = {example.path.stem: example.part for example in read_examples(tmp_path / "labels.csv", 1)}
    assert all(parts[f"{number}"] == parts[f"{number // 4 * 4}"] for number in range(60))


def test_patients_of_two_hospitals_who_share_an_id_are_two(tmp_path: Path) -> None:
    rows = ["file,label", *(f"{number}.dcm,{'ab'[number % 2]}" for number in range(48))]
    for number in range(48):
        ds = chest_dataset(number)
        ds.PatientID, ds.IssuerOfPatientID = "1001", f"H{number // 2}"
        ds.save_as(tmp_path / f"{number}.dcm")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    examples = read_examples(tmp_path / "labels.csv", 1)
    assert len({example.patient for example in examples}) == 24
    assert len({example.part for example in examples}) == 3


def test_the_threshold_keeps_the_recall_and_no_more() -> None:
    rng = np.random.default_rng(2)
    positive = rng.random(400) < 0.3
    probability = np.clip(0.35 * positive + rng.random(400) * 0.6, 0, 1)
    for target in (0.5, 0.9, 0.95, 1.0):
        chosen = threshold_for_recall(probability, positive, target)
        assert (probability[positive] >= chosen.value).mean() >= target
        higher = np.sort(probability[positive & (probability >= chosen.value)])
        assert len(higher) == 1 or (probability[positive] > higher[0]).mean() < target  # one more lost is one too many


def test_temperature_makes_overconfident_logits_honest() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 3000)
    logits = rng.normal(0, 1, (3000, 3))
    logits[np.arange(3000), labels] += 1.0
    honest = fit_temperature(logits, labels)
    assert fit_temperature(logits * 5, labels) == pytest.approx(5 * honest, rel=0.02)
    probability = softmax(logits * 5 / fit_temperature(logits * 5, labels))
    assert probability.max(axis=1).mean() == pytest.approx((probability.argmax(axis=1) == labels).mean(), abs=0.03)


def test_labels_are_drawn_equally_often() -> None:
    weights = balanced_weights([0] * 90 + [1] * 10)
    assert sum(weights[:90]) == pytest.approx(sum(weights[90:]))


def test_a_folder_without_labels_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no label.*two or more are needed"):
        read_examples(tmp_path, 1)
    (tmp_path / "a").mkdir()
    cv2.imwrite(str(tmp_path / "a" / "1.png"), np.zeros((16, 16), np.uint8))
    with pytest.raises(ValueError, match=r"one label.*two or more are needed"):
        read_examples(tmp_path, 1)
