"""The Pointing Game of an object package, on images in the published form of Object-CXR."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from miqa_node.interfaces.cli.app import app

pytest.importorskip("onnx")

PACKAGE = next((Path(__file__).parents[4] / "models").glob("objects-*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two grey pictures with a bright disc and its box each, a third without any."""
    (tmp_path / "dev").mkdir()
    rows = [("image_name", "annotation")]
    for number, x in enumerate((180, 400, 0)):
        pixels = np.random.default_rng(number).integers(60, 110, (600, 600)).astype(np.uint8)
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 3), np.uint8)
        if x:
            cv2.circle(pixels, (x, 220), 18, 250, -1)
        cv2.imwrite(str(tmp_path / "dev" / f"{number}.jpg"), pixels)
        rows.append((f"{number}.jpg", f"0 {x - 20} 200 {x + 20} 240" if x else ""))
    with (tmp_path / "dev.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return tmp_path


def play(folder: Path, *more: str) -> tuple[int, str]:
    words = ["evaluate", "pointing-game", str(folder), "--dataset", "object-cxr", "--package", str(PACKAGE), *more]
    answer = CliRunner().invoke(app, words)
    return answer.exit_code, answer.output


def test_what_is_not_made_for_it_is_refused(folder: Path) -> None:
    code, answer = play(folder, "--method", "occlusion")
    assert (code, "occlusion is not made for object packages" in answer) == (2, True)
    code, answer = play(folder, "--finding", "motion_blur")
    assert (code, "has no class" in answer) == (2, True)
    assert play(folder, "--curves", "2")[0] == 2
