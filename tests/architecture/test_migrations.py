"""A migration adds, so that programs of the version before go on; one that takes away says which programs it ends."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from miqa_node.runtime.store.schema import versions

TAKES_AWAY = frozenset({"drop_column", "drop_table", "rename_table", "alter_column", "create_unique_constraint"})
FILES = sorted((path for folder in versions() for path in folder.glob("[0-9]*.py")), key=lambda path: path.name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_takes_away_says_so(path: Path) -> None:
    source = path.read_text("utf-8")
    upgrade = next(
        node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"
    )
    called = {node.func.attr for node in ast.walk(upgrade) if isinstance(node, ast.Call) and hasattr(node.func, "attr")}
    raises_the_floor = "UPDATE compatibility SET oldest_schema" in source
    assert raises_the_floor or not called & TAKES_AWAY, "docs/how-to/upgrade.md says how to contract a schema"
