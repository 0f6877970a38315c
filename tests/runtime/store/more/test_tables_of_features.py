"""A feature owns its tables; without its line they are migrated, erased, retained and backed up as before."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.runtime.store.test_tables_of_features import PACKAGE


def test_whoever_loops_over_tables_asks_for_all_of_them() -> None:
    """``metadata`` itself has only what was imported by then."""
    looping = [str(path) for path in PACKAGE.rglob("*.py") if "tables" not in _names(path) and _uses_metadata(path)]
    assert looping == []


def _names(path: Path) -> set[str]:
    """Of the file and its folders, as far as the package."""
    return {*path.relative_to(PACKAGE).parent.parts, path.stem}


def _uses_metadata(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("miqa_node.runtime.store.tables"):
            takes_it = any(one.name == "metadata" for one in node.names)
        else:
            takes_it = isinstance(node, ast.Attribute) and ast.unparse(node) in ("t.metadata", "tables.metadata")
        if takes_it:
            return True
    return False
