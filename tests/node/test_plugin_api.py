"""What plug-ins import: one module that gives each name when it is asked for, and the paths of before it."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from miqa_node import api
from miqa_node.plugins import SEAMS

CHECKOUT = Path(__file__).parents[2]
EARLIER = CHECKOUT / "tests" / "examples" / "earlier"
PROJECTS = sorted((CHECKOUT / "examples").glob("*/pyproject.toml"))
SEAMS_SINCE = {"card", "effect", "gauge", "part"}
OF_BEFORE = [project for project in PROJECTS if project.parent.name not in SEAMS_SINCE]


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


@pytest.mark.parametrize("project", OF_BEFORE, ids=lambda path: path.parent.name)
def test_a_plugin_with_the_paths_of_before_is_loaded_and_is_of_the_seam_s_class(project: Path) -> None:
    [(group, entries)] = tomllib.loads(project.read_text("utf-8"))["project"]["entry-points"].items()
    [value] = entries.values()
    name, _, attribute = value.partition(":")
    spec = spec_from_file_location(name, EARLIER / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.miqa_api == 1
    assert isinstance(getattr(module, attribute), SEAMS.get(group.removeprefix("miqa.")).kind)


@pytest.mark.more
def test_a_measurement_loads_no_web_server_and_no_database() -> None:
    heavy = ("fastapi", "sqlalchemy", "typer", "onnxruntime")
    code = (
        f"import sys; from miqa_node.api import ImageMeasure; print([name for name in {heavy} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
