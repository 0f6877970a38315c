"""What the gate must refuse, tried on a copy of the tree: smuggled libraries, a folder without a layer, a circle."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's sources and the contracts, without anything else."""
    for folder in ("miqa_node", "packages"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder, ignore=ignore_all_but_python)
    shutil.copytree(CHECKOUT / "tests" / "architecture", tmp_path / "tests" / "architecture")
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    return tmp_path


def ignore_all_but_python(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()]


def lint(folder: Path) -> tuple[int, str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"]
    packages = ":".join(str(package) for package in (folder / "packages").iterdir())
    environment = {"COLUMNS": "300", "PYTHONPATH": packages}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stdout + done.stderr


def put(module: Path, line: str) -> None:
    """Add a line behind the module's ``from __future__`` import."""
    source = module.read_text(encoding="utf-8")
    first = "from __future__ import annotations\n"
    assert first in source
    module.write_text(source.replace(first, f"{first}\n{line}\n", 1), encoding="utf-8")


def test_the_tree_as_it_is_keeps_every_contract(copy: Path) -> None:
    status, text = lint(copy)
    assert status == 0, text


@pytest.mark.slow
def test_libraries_that_are_smuggled_into_other_rooms_fail(copy: Path) -> None:
    put(copy / "miqa_node" / "core" / "domain" / "note.py", "import cv2, pydicom, rich")
    put(copy / "miqa_node" / "features" / "analysis" / "tables.py", "import pynetdicom, fastapi, onnx")
    status, text = lint(copy)
    assert status == 1
    for library in ("cv2", "pydicom", "rich"):
        assert f"miqa_node.core.domain.note imports {library}" in text
    for library in ("pynetdicom", "fastapi", "onnx"):
        assert f"miqa_node.features.analysis.tables imports {library}" in text


@pytest.mark.slow
def test_a_library_that_comes_in_by_another_way_fails(copy: Path) -> None:
    lines = {
        "labels": ('import importlib; cv2 = importlib.import_module("cv2")', "cv2"),
        "patients": ('cv2 = __import__("cv2")', "cv2"),
        "users": ("from miqa_node.dicom.pixels.preview import cv2", "cv2"),
        "tokens": ("from miqa_node.dicom.bytes.charsets import Dataset", "pydicom"),
        "cache": ('from importlib import import_module as get; cv2 = get("cv2")', "a module whose name is not"),
        "disk": ('import importlib; cv2 = importlib.import_module("c" + "v2")', "a module whose name is not"),
    }
    for module, (line, _) in lines.items():
        put(copy / "miqa_node" / "runtime" / "store" / f"{module}.py", line)
    status, text = lint(copy)
    assert status == 1
    for module, (_, library) in lines.items():
        assert f"miqa_node.runtime.store.{module} imports {library}" in text


@pytest.mark.slow
def test_a_library_without_a_row_fails(copy: Path) -> None:
    put(copy / "miqa_node" / "node.py", "import requests")
    status, text = lint(copy)
    assert status == 1
    assert "miqa_node.node imports requests, which has no row" in text


@pytest.mark.slow
@pytest.mark.parametrize("new", ["utils/__init__.py", "helpers.py"])
def test_a_folder_or_module_without_a_layer_fails(copy: Path, new: str) -> None:
    module = copy / "miqa_node" / new
    module.parent.mkdir(exist_ok=True)
    module.write_text('"""Odds and ends."""\n', encoding="utf-8")
    status, text = lint(copy)
    assert status == 1
    assert Path(new).parts[0].removesuffix(".py") in text
    assert "miqa_node.utils" in text or "miqa_node.helpers" in text or "- utils" in text or "- helpers" in text


@pytest.mark.slow
@pytest.mark.parametrize("line", ["from miqa_training import corpus", "import torch"])
def test_run_time_code_that_imports_training_fails(copy: Path, line: str) -> None:
    put(copy / "miqa_node" / "stages" / "assess" / "session.py", line)
    assert lint(copy)[0] == 1


@pytest.mark.slow
def test_an_import_that_runs_upward_fails(copy: Path) -> None:
    put(copy / "miqa_node" / "stages" / "receive" / "intake.py", "from miqa_node.interfaces.web import fields")
    assert "miqa_node.stages.receive.intake -> miqa_node.interfaces.web.fields" in lint(copy)[1]
    put(copy / "miqa_node" / "dicom" / "pixels" / "frame.py", "from miqa_node import node")
    assert "miqa_node.dicom.pixels.frame -> miqa_node.node" in lint(copy)[1]


@pytest.mark.slow
def test_a_feature_that_knows_another_fails(copy: Path) -> None:
    put(copy / "miqa_node" / "features" / "notices" / "work.py", "from miqa_node.features.worklist import form")
    assert "miqa_node.features.notices.work -> miqa_node.features.worklist.form" in lint(copy)[1]


@pytest.mark.slow
def test_a_module_that_is_too_long_fails(copy: Path) -> None:
    module = copy / "miqa_node" / "node.py"
    module.write_text(module.read_text(encoding="utf-8") + "#\n" * 700, encoding="utf-8")
    status, text = lint(copy)
    assert status == 1
    assert "miqa_node/node.py" in text


@pytest.mark.slow
def test_a_circle_of_imports_fails(copy: Path) -> None:
    put(copy / "miqa_node" / "core" / "domain" / "codes.py", "from miqa_node.core.domain import finding")
    put(copy / "miqa_node" / "core" / "domain" / "finding.py", "from miqa_node.core.domain import codes")
    status, text = lint(copy)
    assert status == 1
    assert (
        "miqa_node.core.domain.codes → miqa_node.core.domain.finding" in text
        or "miqa_node.core.domain.finding → miqa_node.core.domain.codes" in text
    )
