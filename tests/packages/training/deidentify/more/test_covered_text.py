"""Text in the pixels is covered in the copy, whatever the pixels look like in the file; the original stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from miqa_node.interfaces.cli.app import app
from tests.packages.training.deidentify.test_covered_text import PYDICOM_FILES, Once, done
from tests.stages.assess.text.writing import LINES, MARKINGS, picture, write


def test_rendered_text_is_gone_and_markings_stay(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="the extra [text] is not installed")
    drawn = picture(*LINES, *MARKINGS)
    source = write(tmp_path / "image.dcm", drawn)

    words = ["deidentify", str(source), str(tmp_path / "out"), "--key", str(tmp_path / "key"), "--json"]
    ran = CliRunner().invoke(app, words)

    assert ran.exit_code == 0, ran.output
    document = json.loads(ran.stdout)
    assert sorted(line["kind"] for line in document["covered"][0]["lines"]) == ["date", "name", "number"]
    assert "MUSTERMANN" not in ran.output
    (file,) = (tmp_path / "out").glob("*.dcm")
    pixels = pydicom.dcmread(file).pixel_array
    for _, column, row in LINES:
        assert pixels[row + 4 : row + 24, column : column + 60].max() <= drawn.min()
    for _, column, row in MARKINGS:
        part = slice(row, row + 24), slice(column, column + 40)
        assert np.array_equal(pixels[part], drawn[part])


def test_an_image_without_text_keeps_its_bytes(tmp_path: Path) -> None:
    source = PYDICOM_FILES / "examples_ybr_color.dcm"  # JPEG
    outcome = done(source, tmp_path, Once())
    assert outcome.written is not None
    assert outcome.covered == ()
    assert pydicom.dcmread(outcome.written).PixelData == pydicom.dcmread(source).PixelData
