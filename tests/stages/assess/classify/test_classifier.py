"""A classification package: its checks, its scores, its maps, and the same preprocessing as in training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.errors import InferenceError, ModelPackageError
from miqa_node.stages.assess.card import Task, read_card
from miqa_node.stages.assess.classify.card import ClassifierCard
from miqa_node.stages.assess.classify.classifier import Classifier, open_classifier
from miqa_node.stages.assess.classify.picture import Clahe, PictureInput, Stretch, prepare, sized, to_source
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.sidecars import open_sidecar, read_any_card, task_of
from tests.stages.assess.classify.making import SIDE, write_classifier

ROOT = Path(__file__).resolve().parents[4]


def opened(folder: Path, **options: bool) -> Classifier:
    return open_classifier(folder, Accelerator.CPU, load_settings().assess, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_classifier(tmp_path / "lungs-1.0.0")
    return tmp_path / "lungs-1.0.0"


def gray(value: float) -> np.ndarray:
    return np.full((60, 40), round(value * 65535), np.uint16)


def test_schema_is_that_of_the_code() -> None:
    written = json.loads((ROOT / "miqa_node/stages/assess/classify/card.schema.json").read_text("utf-8"))
    made = ClassifierCard.model_json_schema()
    ignored = {"$schema", "title"}
    assert {k: v for k, v in written.items() if k not in ignored} == {k: v for k, v in made.items() if k != "title"}


def test_scores_are_the_weighted_mean_of_calibrated_members(folder: Path) -> None:
    scores, _ = opened(folder).see(gray(0.6))
    first = 1 / (1 + np.exp(-(2 * 8.0 * 0.1)))
    second = 1 / (1 + np.exp(-(2 * 12.0 * 0.1 - 0.1) / 2.0))
    assert scores["Pneumonia"] == pytest.approx((first + 3 * second) / 4, abs=1e-3)
    assert sum(scores.values()) == pytest.approx(1.0)


def test_scores_that_are_no_numbers_are_no_prediction(folder: Path) -> None:
    """No confidence is above NaN, so such a prediction was automated."""
    classifier = opened(folder)
    _, image = classifier.see(gray(0.6))
    with pytest.raises(InferenceError, match=r"lungs-1\.0\.0 gave values for the image that are no numbers"):
        classifier.scores(np.full_like(image, np.nan))


def test_the_operating_point_gives_the_label(folder: Path) -> None:
    classifier = opened(folder)
    assert classifier.label({"Normal": 0.58, "Pneumonia": 0.42}) == "Pneumonia"
    assert classifier.label({"Normal": 0.62, "Pneumonia": 0.38}) == "Normal"


def test_grad_cam_shows_what_speaks_for_the_label(folder: Path) -> None:
    picture = np.zeros((64, 64), np.uint16)
    picture[8:24, 40:56] = 65535
    classifier = opened(folder)
    _, image = classifier.see(picture)
    result = classifier.map_of(image, "Pneumonia", picture.shape)
    assert result is not None
    assert result.method == "gradcam"
    rows, columns = np.nonzero(result.values > 0.5)
    side = result.values.shape[0]
    assert rows.min() / side >= 8 / 64
    assert rows.max() / side < 24 / 64
    assert columns.min() / side >= 40 / 64
    assert columns.max() / side < 56 / 64
    nothing = classifier.map_of(image, "Normal", picture.shape)
    assert nothing is not None
    assert nothing.values.max() == 0.0, "brightness never speaks for Normal"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "b.onnx").unlink(), "b.onnx is missing"),
        (lambda f: (f / "b.onnx").write_bytes((f / "a.onnx").read_bytes()), "not the file that the card was written"),
        (lambda f: _edit(f, operating_point={"label": "Pneumonia", "threshold": 0.5}), "differs from the card inside"),
        (lambda f: _edit(f, version="2.0.0"), "called lungs-2.0.0"),
        (lambda f: _edit(f, picture={"rows": SIDE}), "picture.columns"),
        (lambda f: _edit(f, task="divination"), "no task 'divination'"),
    ],
)  # fmt: skip
def test_an_unsound_package_is_refused_with_the_reason(
    folder: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(folder)
    with pytest.raises(ModelPackageError, match=message):
        open_sidecar(folder, Accelerator.CPU, load_settings().assess)


def test_goldens_are_required_and_checked(tmp_path: Path) -> None:
    write_classifier(tmp_path / "lungs-1.0.0", golden=[])
    with pytest.raises(ModelPackageError, match="no golden"):
        opened(tmp_path / "lungs-1.0.0")
    assert opened(tmp_path / "lungs-1.0.0", goldens_required=False).golden_differences == {}


def test_a_classification_package_never_becomes_the_quality_package(folder: Path) -> None:
    assert task_of(folder) is Task.CLASSIFICATION
    assert read_any_card(folder).label == "lungs-1.0.0"
    with pytest.raises(ModelPackageError, match=r"policy\.toml"):
        read_card(folder)


def test_the_card_as_a_page_names_task_labels_and_members(folder: Path) -> None:
    page = model_card(read_any_card(folder))
    for text in ("## Classification", "Pneumonia", "a.onnx", "b.onnx", "It looks at brightness.", "Clinical: yes"):
        assert text in page


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("value", "2336040071000036109"),
        ("meaning", "Pneumonia " * 7),
        ("meaning", "Lungenentzündung"),
        ("scheme", "S\\T"),
    ],
)
def test_a_code_that_no_report_could_say_is_refused(tmp_path: Path, part: str, text: str) -> None:
    """Code Value has 16 characters, Code Meaning 64 (PS3.5 6.2), and reports are in ASCII."""
    card = write_classifier(tmp_path / "lungs-1.0.0")
    card["labels"][1]["code"][part] = text
    with pytest.raises(ValidationError, match=rf"code\.{part}"):
        ClassifierCard.model_validate(card)


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": [{"name": "a"}, {"name": "a"}]},
        {"members": [{"architecture": "x"}, {"architecture": "y"}]},
        {"members": [{"architecture": "x", "bias": [1.0]}]},
        {"operating_point": {"label": "Tuberculosis", "threshold": 0.5}},
        {"picture": {"rows": 32, "columns": 32, "colour": True}},
    ],
)
def test_a_card_that_contradicts_itself_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    card = write_classifier(tmp_path / "lungs-1.0.0")
    with pytest.raises(ValidationError):
        ClassifierCard.model_validate(card | wrong)


def test_percentiles_size_clahe_and_normalisation_follow_the_card() -> None:
    ramp = np.linspace(10_000, 20_000, 80 * 60).reshape(80, 60).astype(np.uint16)
    spec = PictureInput(rows=32, columns=32, mean=(0.5,), std=(0.5,))
    made = prepare(ramp, spec)
    assert made.shape == (1, 1, 32, 32)
    assert made.min() == pytest.approx(-1.0, abs=0.05)
    assert made.max() == pytest.approx(1.0, abs=0.05)
    flat = prepare(np.full((80, 60), 30_000, np.uint16), spec)
    assert flat.max() - flat.min() < 0.01
    dim = (np.random.default_rng(1).normal(0.5, 0.02, (80, 60)) * 65535).astype(np.uint16)
    still = PictureInput(rows=32, columns=32, stretch=None)
    clahe = still.model_copy(update={"clahe": Clahe(clip_limit=10.0, tiles=2)})
    assert sized(dim, clahe).std() > 2 * sized(dim, still).std()


def test_padding_pixels_do_not_count_and_are_black() -> None:
    picture = np.full((64, 64), 65535, np.uint16)
    picture[:, 32:] = np.linspace(1000, 9000, 64 * 32).reshape(64, 32)
    valid = np.zeros((64, 64), bool)
    valid[:, 32:] = True
    made = sized(picture, PictureInput(rows=64, columns=64, stretch=Stretch()), valid)
    assert made[:, :31].max() == 0
    assert made[:, 33:].max() == 255


def test_pad_keeps_the_aspect_and_gives_the_map_back_without_the_border() -> None:
    spec = PictureInput(rows=32, columns=32, fit="pad", stretch=None)
    made = sized(np.full((64, 32), 65535, np.uint16), spec)
    assert made[:, :8].max() == 0
    assert made[:, 8:24].min() == 255
    assert to_source(np.ones((8, 8), np.float32), (64, 32), spec).shape == (32, 16)


def test_colour_is_kept_or_becomes_luminance_as_the_card_says() -> None:
    red = np.zeros((20, 20, 3), np.uint16)
    red[..., 0] = 65535
    picture = prepare(red, PictureInput(rows=16, columns=16, channels=3, colour=True, mean=(0.0,), std=(1.0,)))
    assert picture[0, :, 0, 0] == pytest.approx([1.0, 0.0, 0.0])
    spec = PictureInput(rows=16, columns=16, channels=3, stretch=None, mean=(0.0,), std=(1.0,))
    assert prepare(red, spec)[0, :, 0, 0] == pytest.approx([0.299] * 3, abs=0.01)
    gray_in_colour = prepare(gray(1.0), PictureInput(rows=16, columns=16, channels=3, colour=True, stretch=None))
    assert np.ptp(gray_in_colour, axis=1).max() == 0.0


def _edit(folder: Path, **changes: object) -> None:
    card = yaml.safe_load((folder / "card.yaml").read_text("utf-8")) | changes
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
