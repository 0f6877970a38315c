"""pynetdicom-streaming stands by itself: nothing else of the project is imported, and its README is right."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from miqa_node.libraries import pynetdicom_streaming

FOLDER = Path(pynetdicom_streaming.__file__).parent.resolve()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_it_imports_pynetdicom_and_the_standard_library_only(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add(node.module or "")
    foreign = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names | {"pynetdicom"}}
    assert foreign == set()
