"""The pipeline is one page with few parts; subpackages that can be published alone import nothing of the rest."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from miqa_node import built_in, node, pipeline
from miqa_node.stages.conclusion.effects import EFFECTS

PACKAGE = Path(__file__).parents[2] / "miqa_node"
PAGE = PACKAGE.parent / "docs" / "explanation" / "architecture.md"
MOST_LINES = 150
MOST_LINES_OF_NODE = 200
MOST_PARAMETERS = 8


def test_the_pipeline_is_one_page_and_made_of_few_parts() -> None:
    assert len(inspect.getsource(pipeline).splitlines()) <= MOST_LINES
    assert len(inspect.signature(pipeline.Pipeline).parameters) <= MOST_PARAMETERS


def test_the_composition_root_can_be_read_at_once() -> None:
    assert len(inspect.getsource(node).splitlines()) <= MOST_LINES_OF_NODE


def test_the_page_about_the_way_of_an_image_names_each_effect_in_its_order() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| `([\w/]+)\.py` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    places = {name: place.partition(":")[0] for name, place in built_in.places_of("effects").items()}
    kinds = sorted((EFFECTS.all()[name].order, name) for name in places)
    assert [(int(order), name) for order, name, _ in rows] == kinds
    assert {name: f"miqa_node.{file.replace('/', '.')}" for _, name, file in rows} == places


def test_the_page_shows_the_code_that_runs() -> None:
    """Parts of files are marked in them, so the page cannot show what is not there."""
    shown = re.findall(r'^--8<-- "([^":]+):(\w+)"$', PAGE.read_text("utf-8"), re.MULTILINE)
    assert shown
    for file, part in shown:
        source = (PACKAGE.parent / file).read_text("utf-8")
        assert (source.count(f"# --8<-- [start:{part}]"), source.count(f"# --8<-- [end:{part}]")) == (1, 1)
    assert not re.search(r"self\._\w+\(", PAGE.read_text("utf-8"))


@pytest.mark.parametrize("library", ["onnx_vjp", "phantom_shapes", "plain_statistics", "pynetdicom_streaming"])
def test_a_library_of_its_own_imports_nothing_of_the_rest(library: str) -> None:
    folder = (PACKAGE / "libraries" / library).resolve()
    imported = {
        name
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in imported_names(node)
    }
    assert imported
    assert not {name for name in imported if name.startswith("miqa_")}
    assert (folder.parent / "README.md").exists()


def imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return ["." * node.level + (node.module or "")]
    return [one.name for one in node.names] if isinstance(node, ast.Import) else []
