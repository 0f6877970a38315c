"""The gate repeats what failed, and says so; what runs beside the tests is shown, and fails the gate."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.more

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


def gate(folder: Path, broken: str, pythons: str = "") -> subprocess.CompletedProcess[str]:
    """The gate's own script, where every package is installed and a ``make`` only says what it was asked for.

    ``pythons`` takes the place of the program that finds other Pythons.
    """
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    programs = {"make": MAKE, "dpkg-query": INSTALLED} | ({"python3": pythons} if pythons else {})
    for name, script in programs.items():
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(script)
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "BROKEN": broken}
    return subprocess.run([folder / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False)


def asked_for(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What make was asked for, as the log shows it, without its variables."""
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("make ")]
    return [next(word for word in line[1:] if not word.startswith("--")) for line in lines]


def test_what_takes_seconds_comes_first_and_the_tests_of_all_last(tmp_path: Path) -> None:
    done = gate(tmp_path, "")
    assert done.returncode == 0, done.stderr
    targets = asked_for(done)
    assert targets[:5] == ["setup", "lint", "layers", "types", "test"]
    beside = ["docs", "models", "setup-train", "setup-fuzz"]
    assert [target for target in targets if target in beside] == beside
    assert targets[-1] == "test-all"
    assert done.stdout.splitlines()[-1].startswith("make --no-print-directory test-all ")


@pytest.mark.parametrize("broken", ["lint", "layers", "types"])
def test_what_takes_seconds_ends_the_gate_before_any_test(broken: str, tmp_path: Path) -> None:
    done = gate(tmp_path, broken)
    assert done.returncode != 0
    assert asked_for(done)[-1] == broken


def test_a_failure_beside_the_tests_fails_the_gate(tmp_path: Path) -> None:
    done = gate(tmp_path, "docs")
    assert done.returncode != 0
    targets = asked_for(done)
    assert "docs" in targets
    assert not {"models", "test-all"} & set(targets)


def test_tests_that_fail_twice_fail_the_gate(tmp_path: Path) -> None:
    done = gate(tmp_path, "test")
    assert done.returncode != 0
    assert asked_for(done)[-2:] == ["test", "test"]


OTHER_PYTHON = """#!/bin/sh
echo "3.14.9 /opt/python-3.14/bin/python3"
echo "3.12.1 /opt/python-3.12/bin/python3"
"""


@pytest.mark.parametrize("pythons", [OTHER_PYTHON, "#!/bin/sh\n"])
def test_the_newest_other_python_runs_the_quick_tests(pythons: str, tmp_path: Path) -> None:
    done = gate(tmp_path, "", pythons)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "VENV=" in line]
    assert [line.split()[:4] for line in lines] == [
        ["make", target, "PYTHON=/opt/python-3.14/bin/python3", "VENV=.venv-3.14.9"]
        for target in ("setup", "test")
        if pythons == OTHER_PYTHON
    ]
