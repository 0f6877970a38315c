"""The gate repeats what failed, and says so; what runs beside the tests is shown, and fails the gate."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

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


def test_what_failed_first_and_passed_then_is_listed_until_the_end_before_the_closing_line(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(ONCE)
    assert "unstable: none" in str(run(tmp_path))
    again = run(tmp_path, "--last-failed")
    assert [line for line in again if line.startswith("UNSTABLE")] == ["UNSTABLE test_it.py::test_odd"]
    last = run(tmp_path, "-k", "steady")
    assert last[-2:] == ["UNSTABLE test_it.py::test_odd", "1 passed, 2 deselected in " + last[-1].rpartition(" in ")[2]]


MAKE = """#!/bin/sh
echo "make $*"
test "$1" != "$BROKEN"
"""
INSTALLED = """#!/bin/sh
echo 'install ok installed'
"""


def gate(folder: Path, broken: str) -> subprocess.CompletedProcess[str]:
    """The gate's own script, where every package is installed and a ``make`` only says what it was asked for."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci")
    for name, script in (("make", MAKE), ("dpkg-query", INSTALLED)):
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(script)
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "BROKEN": broken}
    return subprocess.run([folder / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False)


def test_what_runs_beside_the_tests_is_shown_before_the_last_of_them(tmp_path: Path) -> None:
    done = gate(tmp_path, "")
    assert done.returncode == 0, done.stderr
    targets = [line for line in done.stdout.splitlines() if line.startswith("make ")]
    assert targets[0].startswith("make test ")
    checks = ["make lint", "make types", "make layers", "make docs", "make models", "make setup-train"]
    assert [line for line in targets if line in checks] == checks
    assert done.stdout.splitlines()[-1].startswith("make --no-print-directory test-all ")


def test_a_failure_beside_the_tests_fails_the_gate(tmp_path: Path) -> None:
    done = gate(tmp_path, "types")
    assert done.returncode != 0
    assert "make types" in done.stdout
    assert "make layers" not in done.stdout
    assert "test-all" not in done.stdout
