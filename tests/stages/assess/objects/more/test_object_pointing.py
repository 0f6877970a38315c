# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from tests.stages.assess.objects.test_object_pointing import folder, play


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
