"""``miqa-node enhance`` writes a copy in the format that the name asks for, and says what is wrong with a name."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from miqa_node.interfaces.cli.app import run
from tests.pictures import picture_pixels
from tests.stages.report import making


@pytest.fixture(scope="module")
def radiograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return making.write(making.small(96, 80), tmp_path_factory.mktemp("enhance") / "chest.dcm")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("enhance") / "chest.png"
    noise = np.random.default_rng(1).normal(0, 12, (80, 70))
    cv2.imwrite(str(path), np.clip(120 + 40 * (np.indices((80, 70))[1] > 35) + noise, 0, 255).astype(np.uint8))
    return path


def test_dicom_becomes_a_derived_image_and_a_picture_of_what_changed(radiograph: Path, tmp_path: Path) -> None:
    before = radiograph.read_bytes()
    out, difference = tmp_path / "out.dcm", tmp_path / "difference.png"
    command = ["enhance", str(radiograph), str(out), "--method", "nlm+multiscale", "--difference", str(difference)]
    assert run(command) == 0
    made = pydicom.dcmread(out)
    assert list(made.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    assert made.pixel_array.shape == (96, 80)
    shown = picture_pixels(difference)
    assert abs(float(shown.mean()) - 128) < 20
    assert float(shown.std()) > 0
    assert radiograph.read_bytes() == before


def test_pictures_become_pictures(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.jpg"
    assert run(["enhance", str(picture), str(out), "--method", "wavelet", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["methods"] == ["wavelet"]
    assert "BayesShrink" in answer["steps"][0]
    before, after = (picture_pixels(p, cv2.IMREAD_GRAYSCALE) for p in (picture, out))
    assert before is not None
    assert after is not None
    assert after.shape == before.shape
    assert float(after[:, :25].std()) < 0.8 * float(before[:, :25].std())


@pytest.mark.parametrize(
    ("name", "method", "complaint"),
    [
        ("out.tif", "nlm", "must end in one of"),
        ("out.dcm", "nlm", "a picture has no patient"),
        ("missing/out.png", "nlm", "does not exist"),
        ("out.png", "median", "There is no enhancement method 'median'"),
    ],
)
def test_what_is_wrong_is_told(
    name: str, method: str, complaint: str, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["enhance", str(picture), str(tmp_path / name), "--method", method]) != 0
    message = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert complaint in message
    assert not (tmp_path / name).exists()


def test_the_original_is_never_replaced(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = picture.read_bytes()
    assert run(["enhance", str(picture), str(picture), "--method", "nlm"]) != 0
    assert "may not replace the original" in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert picture.read_bytes() == before
