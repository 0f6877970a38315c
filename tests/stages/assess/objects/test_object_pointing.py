"""The Pointing Game of an object package, on images in the published form of Object-CXR."""

from __future__ import annotations

import csv
import json
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
    """The public chest twice with the ring of a snap and its box, and once without."""
    chest = cv2.imread(str(PACKAGE / "golden" / "chest.png"), cv2.IMREAD_GRAYSCALE)
    assert chest is not None
    (tmp_path / "dev").mkdir()
    rows = [("image_name", "annotation")]
    for number, x in enumerate((180, 400, 0)):
        pixels = np.asarray(cv2.resize(chest, (600, 600), interpolation=cv2.INTER_CUBIC), np.uint8)
        if x:
            cv2.circle(pixels, (x, 300), 7, 250, -1, cv2.LINE_AA)
            cv2.circle(pixels, (x, 300), 2, 140, -1, cv2.LINE_AA)
        cv2.imwrite(str(tmp_path / "dev" / f"{number}.jpg"), pixels)
        rows.append((f"{number}.jpg", f"0 {x - 20} 280 {x + 20} 320" if x else ""))
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


@pytest.mark.more
def test_its_own_maps_and_those_of_gradients_are_compared(folder: Path) -> None:
    chosen = ("class_map", "normgrad_combined", "centre", "random")
    code, answer = play(folder, "--json", *(word for one in chosen for word in ("--method", one)))
    assert code == 0, answer
    figures = json.loads(answer)
    assert (figures["images"], figures["finding"]) == (2, "foreign_object")
    rows = figures["methods"]
    assert list(rows) == ["normgrad_combined", "class_map", "centre", "random"]
    assert figures["compact_images"] == 2
    assert rows["class_map"]["compact"]["pointing_game"] == 1.0
    assert "macro" not in rows["class_map"], "the published set names no sources"
    assert rows["centre"]["pointing_game"] == 0.0
    assert 0.0 < rows["random"]["pointing_game"] < 0.05
    assert rows["class_map"]["pointing_game"] == rows["normgrad_combined"]["pointing_game"] == 1.0
