"""A migration adds, so that programs of the version before go on; one that takes away says which programs it ends."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from miqa_node.runtime.store.schema import versions

FIRST_UNDER_CONTRACT = "0036"
TAKES_AWAY = frozenset({"drop_column", "drop_table", "rename_table", "alter_column", "create_unique_constraint"})
ONLY_WIDENS = "0043_finding_names"
"""Makes columns wider: programs of the version before read and write them as they did."""
FILES = sorted((path for folder in versions() for path in folder.glob("[0-9]*.py")), key=lambda path: path.name)
UNDER_CONTRACT = [path for path in FILES if path.name[:4] >= FIRST_UNDER_CONTRACT]


@pytest.mark.parametrize("path", UNDER_CONTRACT, ids=lambda path: path.stem)
def test_what_takes_away_says_so(path: Path) -> None:
    source = path.read_text("utf-8")
    upgrade = next(
        node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"
    )
    called = {node.func.attr for node in ast.walk(upgrade) if isinstance(node, ast.Call) and hasattr(node.func, "attr")}
    raises_the_floor = "UPDATE compatibility SET oldest_schema" in source
    takes_away = called & TAKES_AWAY and path.stem != ONLY_WIDENS
    assert raises_the_floor or not takes_away, "docs/how-to/upgrade.md says how to contract a schema"
