"""The examples in docstrings are right."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULES = sorted(path for path in (ROOT / "miqa_node").rglob("*.py") if ">>> " in path.read_text("utf-8"))
OF_THE_EXTRA_TRAIN = {"torch", "sklearn", "onnxscript"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "miqa_node")))
def test_examples_of_a_module_are_right(path: Path) -> None:
    try:
        module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    except ModuleNotFoundError as missing:
        if missing.name not in OF_THE_EXTRA_TRAIN:
            raise
        pytest.skip(f"needs the extra [train]: {missing.name}")
    ran = doctest.testmod(module)
    assert ran.failed == 0
    assert ran.attempted > 0
