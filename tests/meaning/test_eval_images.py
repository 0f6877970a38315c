"""The same of real chests with objects: Patient Orientation is usual, mirrored, without sides, and absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.meaning.conftest import Oracle
from tests.meaning.telling import as_radiograph, gray_of

pytestmark = pytest.mark.more

ORIENTATIONS = (("L", "F"), ("R", "F"), ("A", "F"), None)
IN_GATE = 20
"""Images of the gate: two thirds with something that can be taken off, the others with devices only."""


def files_of(shared_data: Path) -> list[Path]:
    """The images: those with something that can be taken off first."""
    lines = (shared_data / "objects_eval" / "annotations.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    first = [row["file"] for row in rows if row["class"] == "external"]
    others = [row["file"] for row in rows if row["class"] == "devices_only"]
    most = 2 * IN_GATE // 3
    rest = [row["file"] for row in rows if row["class"] == "none"]
    ordered = [*first[:most], *others[: IN_GATE - most], *first[most:], *others[IN_GATE - most :], *rest]
    return [shared_data / "objects_eval" / "images" / name for name in ordered]


def untrue_of(files: list[Path], oracle: Oracle, folder: Path) -> dict[str, list[str]]:
    """The untrue statements by image and orientation."""
    untrue = {}
    for file in files:
        gray = gray_of(file)
        for orientation in ORIENTATIONS:
            path = folder / "image.dcm"
            as_radiograph(gray, file.name, orientation).save_as(path, enforce_file_format=True)
            if ones := oracle(path):
                untrue[f"{file.stem} {orientation}"] = [f"{one.kind}: {one.says}: {one.why}" for one in ones]
    return untrue


@pytest.mark.shared
@pytest.mark.timeout(1200)
def test_what_is_told_of_chests_with_objects_is_true(oracle: Oracle, shared_data: Path, tmp_path: Path) -> None:
    assert untrue_of(files_of(shared_data)[:IN_GATE], oracle, tmp_path) == {}


@pytest.mark.shared
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_what_is_told_of_all_of_them_is_true(oracle: Oracle, shared_data: Path, tmp_path: Path) -> None:
    assert untrue_of(files_of(shared_data)[IN_GATE:], oracle, tmp_path) == {}
