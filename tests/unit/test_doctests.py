"""The examples in docstrings are right."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULES = sorted(path for path in (ROOT / "miqa_node").rglob("*.py") if ">>> " in path.read_text("utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "miqa_node")))
def test_examples_of_a_module_are_right(path: Path) -> None:
    ran = doctest.testmod(import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)))
    assert ran.failed == 0
    assert ran.attempted > 0
