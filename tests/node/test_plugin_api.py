"""What plug-ins import: one module that gives each name when it is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from miqa_node import api

CHECKOUT = Path(__file__).parents[2]
PROJECTS = sorted((CHECKOUT / "examples").glob("*/pyproject.toml"))


def imported_names(path: Path, prefix: str) -> set[tuple[str, str]]:
    """(module, name) of each import of the node in a file."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return {
        (node.module, one.name)
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(prefix)
        for one in node.names
    }


def test_type_checkers_and_programs_find_the_same_names() -> None:
    names = imported_names(Path(api.__file__), "miqa_node.")
    assert names == {(module, name) for name, module in api.MODULES.items()}


@pytest.mark.parametrize("name", api.MODULES)
def test_every_name_is_that_of_its_module(name: str) -> None:
    assert getattr(api, name) is getattr(import_module(api.MODULES[name]), name)


def test_another_name_is_an_error() -> None:
    with pytest.raises(ImportError, match="no_such_name"):
        exec("from miqa_node.api import no_such_name")


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.parent.name)
def test_an_example_imports_nothing_else_of_the_node(project: Path) -> None:
    [module] = (path for path in project.parent.rglob("*.py") if "build" not in path.parts)
    assert {module for module, _ in imported_names(module, "miqa_node")} == {"miqa_node.api"}


@pytest.mark.more
def test_a_measurement_loads_no_web_server_and_no_database() -> None:
    heavy = ("fastapi", "sqlalchemy", "typer", "onnxruntime")
    code = (
        f"import sys; from miqa_node.api import ImageMeasure; print([name for name in {heavy} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
