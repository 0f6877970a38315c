"""The gate repeats what failed, and says so."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import ROOT

ONCE = """
from pathlib import Path

def test_steady():
    pass

def test_odd():
    file = Path(__file__).with_name("ran")
    ran = file.exists()
    file.touch()
    assert ran

def test_broken():
    assert False
"""


def run(folder: Path, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "once", "--unstable", "gate/unstable", "--rootdir", "."]
    plain = {"PYTHONPATH": str(ROOT / ".ci"), "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    pytest = partial(subprocess.run, cwd=folder, env={**os.environ, **plain}, capture_output=True, text=True)
    return str(pytest([*command, *arguments], check=False).stdout).splitlines()


@pytest.mark.slow
def test_what_failed_first_and_passed_then_is_listed_until_the_end_before_the_closing_line(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(ONCE)
    assert "unstable: none" in str(run(tmp_path))
    again = run(tmp_path, "--last-failed")
    assert [line for line in again if line.startswith("UNSTABLE")] == ["UNSTABLE test_it.py::test_odd"]
    last = run(tmp_path, "-k", "steady")
    assert last[-2:] == ["UNSTABLE test_it.py::test_odd", "1 passed, 2 deselected in " + last[-1].rpartition(" in ")[2]]
