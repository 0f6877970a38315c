"""``miqa-node assess --report`` writes one page that needs nothing else: pictures inside, nothing fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqa_node.core.settings import share_dir
from miqa_node.interfaces.cli.app import run

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
