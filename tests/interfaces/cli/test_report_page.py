"""``miqa-node assess --report`` writes one page that needs nothing else: pictures inside, nothing fetched."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from miqa_node.core.settings import share_dir
from miqa_node.interfaces.cli.app import run
from tests.stages.report import making

GOLDENS = max(share_dir("models").glob("quality-[0-9]*")) / "golden"


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> str:
    page = tmp_path_factory.mktemp("page") / "page.html"
    assert run(["assess", str(GOLDENS / "foreign_object.png"), "--report", str(page)]) == 0
    return page.read_text("utf-8")


def test_a_copy_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "models"
    empty.mkdir()
    monkeypatch.setenv("MIQA_ASSESS__MODELS_DIR", str(empty))
    monkeypatch.setenv("MIQA_ASSESS__SHIPPED_PACKAGES", "false")
    page = tmp_path / "page.html"
    assert run(["assess", str(GOLDENS / "chest.png"), "--report", str(page)]) == 0
    assert "There is no package denoiser-" in page.read_text("utf-8")


def test_it_tells_of_one_image_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(GOLDENS / name) for name in ("chest.png", "blank.png")]
    assert run(["assess", *files, "--report", str(tmp_path / "page.html")]) != 0
    assert "one image" in capsys.readouterr().err


@pytest.mark.more
def test_it_tells_verdict_findings_enhancement_and_who_judged(flagged: str) -> None:
    for word in ("Review", "Something", "Heat map", "Mask", "Difference", "Enhanced: learned", "denoiser-0.2.1",
                   "Measurements", GOLDENS.parent.name.replace("-", " "), "To do",
                   "Decision support, not diagnosis"):  # fmt: skip
        assert word in flagged, word


@pytest.mark.more
def test_dicom_and_jpeg_work_too(tmp_path: Path) -> None:
    dicom = making.write(making.small(300, 280), tmp_path / "chest.dcm")
    picture = tmp_path / "chest.jpg"
    cv2.imwrite(str(picture), np.random.default_rng(1).integers(0, 255, (200, 180), np.uint8))
    for source in (dicom, picture):
        page = tmp_path / f"{source.suffix[1:]}.html"
        assert run(["assess", str(source), "--report", str(page)]) == 0
        assert "Enhanced copy" in page.read_text("utf-8")


@pytest.mark.more
def test_no_name_and_no_number_of_the_patient_stands_on_it(tmp_path: Path) -> None:
    dataset = making.small(200, 200)
    dataset.PatientName, dataset.PatientID = "Secret^Person", "PID4711"
    source = making.write(dataset, tmp_path / "chest.dcm")
    page = tmp_path / "page.html"
    assert run(["assess", str(source), "--report", str(page)]) == 0
    text = page.read_text("utf-8")
    assert "Secret" not in text
    assert "PID4711" not in text


@pytest.mark.more
def test_sentences_in_another_language_are_marked_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIQA_NODE__LANGUAGE", "de")
    page = tmp_path / "page.html"
    assert run(["assess", str(GOLDENS / "foreign_object.png"), "--report", str(page)]) == 0
    text = page.read_text("utf-8")
    assert '<html lang="en">' in text
    assert '<div class="said" lang="de">' in text
    assert '<p lang="de">Etwas am Hals Getragenes ' in text, "the sentence stands beside its place, too"


@pytest.mark.more
def test_nothing_is_fetched_and_all_pictures_are_inside(flagged: str) -> None:
    assert re.findall(r"https?://", flagged) == []
    sources = re.findall(r'<img src="([^"]{0,30})', flagged)
    assert len(sources) >= 6
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "<script" not in flagged
    assert "default-src 'none'" in flagged
