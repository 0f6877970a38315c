"""The examples in docstrings are right."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

from tests.conftest import ROOT

FOLDERS = (ROOT, *sorted((ROOT / "packages").iterdir()))
MODULES = {
    ".".join(path.relative_to(folder).with_suffix("").parts)
    for folder in FOLDERS
    for path in folder.glob("miqa_*/**/*.py")
    if ">>> " in path.read_text("utf-8")
} | {
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "miqa_node" / "libraries").glob("*/*.py")  # links, which ** does not follow
    if ">>> " in path.read_text("utf-8")
}
OF_THE_EXTRA_TRAIN = {"torch", "sklearn", "onnxscript"}


@pytest.mark.quick
@pytest.mark.parametrize("name", sorted(MODULES))
def test_examples_of_a_module_are_right(name: str) -> None:
    try:
        module = import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name not in OF_THE_EXTRA_TRAIN:
            raise
        pytest.skip(f"needs the extra [train]: {missing.name}")
    ran = doctest.testmod(module)
    assert ran.failed == 0
    assert ran.attempted > 0
