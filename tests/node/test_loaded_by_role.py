"""A process of the node loads what its role needs, so that it starts soon and takes little memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.more

SCRIPT = "import importlib, sys; importlib.import_module(sys.argv[1]); print(*sys.modules)"


def loaded_with(module: str) -> set[str]:
    """All modules of a new process that has imported this one."""
    program = [sys.executable, "-c", SCRIPT, module]
    return set(subprocess.run(program, capture_output=True, check=True, text=True).stdout.split())


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        # It starts the process of the models first; only then it loads the rest.
        ("miqa_node.interfaces.cli.run_node", {"miqa_node.node", "numpy", "pydicom", "sqlalchemy"}),
        ("miqa_node.node", {"onnxruntime", "onnx", "pywt"}),
        ("miqa_node.isolation.template", {"alembic", "mako", "onnx", "pywt", "rapidocr", "fastapi", "dbos"}),
        ("miqa_node.features.models.command.models", {"onnx"}),
    ],
)
def test_a_process_does_not_load_what_others_need(module: str, spared: set[str]) -> None:
    assert not loaded_with(module) & spared


def test_the_process_of_the_models_collects_garbage_again() -> None:
    """Its children would have to, too: they inherit it."""
    program = "import gc, miqa_node.isolation.loaded; print(gc.isenabled(), gc.get_freeze_count() > 10_000)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["True", "True"]
