"""What the gate must refuse, tried on a copy of the tree: smuggled libraries, a folder without a layer, a circle."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.more

CHECKOUT = Path(__file__).parents[2]


SMUGGLED = {
    "core.domain.note": ("import cv2, pydicom, rich", ("cv2", "pydicom", "rich")),
    "features.analysis.csv_files": ("import pynetdicom, fastapi, onnx", ("pynetdicom", "fastapi", "onnx")),
    "stages.assess.session": ("import torch", ("torch",)),
}
"""Module → an import of libraries that it may not use."""

BY_ANOTHER_WAY = {
    "artifacts": ('import importlib; cv2 = importlib.import_module("cv2")', "cv2"),
    "documents": ('cv2 = __import__("cv2")', "cv2"),
    "damages": ("from miqa_node.dicom.pixels.preview import cv2", "cv2"),
    "upkeep": ("from miqa_node.dicom.bytes.charsets import Dataset", "pydicom"),
    "cache": ('from importlib import import_module as get; cv2 = get("cv2")', "a module whose name is not"),
    "disk": ('import importlib; cv2 = importlib.import_module("c" + "v2")', "a module whose name is not"),
}
"""Module of the store → how a library gets in, and what the contract calls it."""

FORBIDDEN = {
    "stages.receive.intake": "miqa_node.interfaces.web.fields",
    "dicom.pixels.frame": "miqa_node.node",
    "features.notices.work": "miqa_node.features.worklist.form",
    "stages.assess.packages": "miqa_training.corpus",
}
"""Module → one of the project that it may not import: upward, of another feature, of training."""


WIDE_OPEN = {"stages.report": 60, "features.phantoms": 40, "runtime.store": 45}
"""Room → the most percent of its modules that others may import; all are imported."""


def copied(folder: Path) -> Path:
    """The package's sources and the contracts, without anything else."""
    for name in ("miqa_node", "packages"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=ignore_all_but_python)
    shutil.copytree(CHECKOUT / "tests" / "architecture", folder / "tests" / "architecture")
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    return folder


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the gate says of a tree with every fault but a circle: one run of many seconds tells them all."""
    tree = copied(tmp_path_factory.mktemp("faults"))
    for module, (line, _) in SMUGGLED.items():
        put(tree, module, line)
    for module, (line, _) in BY_ANOTHER_WAY.items():
        put(tree, f"runtime.store.{module}", line)
    for module, other in FORBIDDEN.items():
        put(tree, module, f"import {other}")
    put(tree, "node", "import requests")
    for room in WIDE_OPEN:
        put(tree, "node", f"import {', '.join(modules_of(tree, room))}")
    put(tree, "node", "import miqa_node.runtime.people.audit")
    with (tree / "miqa_node" / "node.py").open("a", encoding="utf-8") as file:
        file.write("#\n" * 700)
    for new in ("utils/__init__.py", "helpers.py"):
        module_file = tree / "miqa_node" / new
        module_file.parent.mkdir(exist_ok=True)
        module_file.write_text('"""Odds and ends."""\n', encoding="utf-8")
    status, text = lint(tree)
    assert status == 1
    return text


def modules_of(tree: Path, room: str) -> list[str]:
    """The modules of a room, and of the rooms within."""
    folder = tree / "miqa_node" / room.replace(".", "/")
    files = (path.relative_to(tree).with_suffix("") for path in folder.rglob("*.py") if path.stem.isidentifier())
    return [".".join(file.parts).removesuffix(".__init__") for file in sorted(files)]


def ignore_all_but_python(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()]


def lint(folder: Path) -> tuple[int, str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"]
    packages = ":".join(str(package) for package in (folder / "packages").iterdir())
    environment = {"COLUMNS": "300", "PYTHONPATH": packages}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stdout + done.stderr


def put(tree: Path, module: str, line: str) -> None:
    """Add a line behind the module's ``from __future__`` import."""
    file = tree / "miqa_node" / f"{module.replace('.', '/')}.py"
    source = file.read_text(encoding="utf-8")
    first = "from __future__ import annotations\n"
    assert first in source
    file.write_text(source.replace(first, f"{first}\n{line}\n", 1), encoding="utf-8")


@pytest.mark.long
def test_the_tree_as_it_is_keeps_every_contract(tmp_path: Path) -> None:
    status, text = lint(copied(tmp_path))
    assert status == 0, text


def test_libraries_that_are_smuggled_into_other_rooms_fail(refused: str) -> None:
    for module, (_, libraries) in SMUGGLED.items():
        for library in libraries:
            assert f"miqa_node.{module} imports {library}\n" in refused


def test_a_library_that_comes_in_by_another_way_fails(refused: str) -> None:
    for module, (_, library) in BY_ANOTHER_WAY.items():
        assert f"miqa_node.runtime.store.{module} imports {library}" in refused


def test_a_library_without_a_row_fails(refused: str) -> None:
    assert "miqa_node.node imports requests, which has no row" in refused


def test_a_folder_or_module_without_a_layer_fails(refused: str) -> None:
    assert "The following modules are not listed as layers:\n\n- miqa_node.helpers\n- miqa_node.utils\n" in refused


def test_a_room_without_doors_fails(refused: str) -> None:
    for room, most in WIDE_OPEN.items():
        line = rf"{re.escape(room)}: (\d+) of \1 modules are imported from elsewhere; at most {most} %"
        assert re.search(line, refused)


def test_what_is_no_door_of_a_room_with_named_doors_fails(refused: str) -> None:
    assert "miqa_node.runtime.people.audit is imported from elsewhere, but is no door" in refused


def test_imports_upward_and_of_training_and_of_another_feature_fail(refused: str) -> None:
    for module, other in FORBIDDEN.items():
        assert f"miqa_node.{module} -> {other}" in refused


def test_a_module_that_is_too_long_fails(refused: str) -> None:
    assert "miqa_node/node.py: " in refused


@pytest.mark.long
def test_a_circle_of_imports_fails(tmp_path: Path) -> None:
    tree = copied(tmp_path)  # the gate shows one circle, and imports upward make others
    put(tree, "core.domain.codes", "from miqa_node.core.domain import finding")
    put(tree, "core.domain.finding", "from miqa_node.core.domain import codes")
    status, text = lint(tree)
    assert status == 1
    assert (
        "miqa_node.core.domain.codes → miqa_node.core.domain.finding" in text
        or "miqa_node.core.domain.finding → miqa_node.core.domain.codes" in text
    )
