"""The pipeline is one page with few parts; subpackages that can be published alone import nothing of the rest."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from miqa_node import pipeline

PACKAGE = Path(__file__).parents[2] / "miqa_node"
MOST_LINES = 150
MOST_PARAMETERS = 8


def test_the_pipeline_is_one_page_and_made_of_few_parts() -> None:
    assert len(inspect.getsource(pipeline).splitlines()) <= MOST_LINES
    assert len(inspect.signature(pipeline.Pipeline).parameters) <= MOST_PARAMETERS


@pytest.mark.parametrize("library", ["onnx_vjp", "pynetdicom_streaming"])
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
