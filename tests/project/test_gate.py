"""The gate runs what a change needs, repeats what failed, and says so; a failure beside it is shown, and fails it."""

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


def test_of_all_tests_the_chosen_ones_run_and_other_files_are_not_imported(tmp_path: Path) -> None:
    for name in ("one/test_a.py", "one/test_b.py", "two/test_c.py"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("def test_this():\n    pass\n\n\ndef test_that():\n    pass\n")
    (tmp_path / "two" / "test_d.py").write_text("raise AssertionError('imported')")
    chosen = tmp_path / "chosen"
    chosen.write_text("one\ntwo/test_c.py::test_that\ngone/test_e.py")
    assert run(tmp_path, "-p", "chosen", "--chosen", str(chosen))[-1].startswith("5 passed, 1 deselected")
    chosen.write_text("")
    assert "imported" in str(run(tmp_path, "-p", "chosen", "--chosen", str(chosen))), "an empty file chooses all"


MAKE = """#!/bin/sh
echo "make $*"
test "$1" != "$BROKEN"
"""
INSTALLED = """#!/bin/sh
echo 'install ok installed'
"""
PYTHON = """#!/bin/sh
echo "python $*"
test "$2" != "$BROKEN" || exit 1
if [ "$3" = choose ]; then mkdir -p "$4"; echo tests/core >"$4/tests"; echo "$STEPS" >"$4/steps"; fi
"""


def gate(folder: Path, broken: str = "", steps: str = "") -> subprocess.CompletedProcess[str]:
    """The gate's own script, where every package is installed and programs only say what they were asked for."""
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    programs = {"bin/make": MAKE, "bin/dpkg-query": INSTALLED, "bin/npm": INSTALLED, ".venv/bin/python": PYTHON}
    for name, script in programs.items():
        program = folder / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(script)
        program.chmod(0o755)
    words = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "BROKEN": broken, "STEPS": steps.replace(" ", "\n")}
    return subprocess.run(
        [folder / ".ci" / "run"], env={**os.environ, **words}, capture_output=True, text=True, check=False
    )


def asked_for(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What make was asked for, as the log shows it, without its variables."""
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("make ")]
    return [next(word for word in line[1:] if not word.startswith("--")) for line in lines]


def test_the_chosen_tests_come_last_and_steps_that_no_change_needs_are_left_out(tmp_path: Path) -> None:
    done = gate(tmp_path)
    assert done.returncode == 0, done.stderr
    assert asked_for(done) == ["setup", "lint", "layers", "test", "types", "test-all"]
    last = done.stdout.splitlines()[-1]
    assert last.startswith("make --no-print-directory test-all ")
    assert "--chosen .pytest_cache/chosen-in-this-gate/tests" in last


def test_a_change_that_needs_them_brings_the_other_steps(tmp_path: Path) -> None:
    done = gate(tmp_path, steps="docs fuzz models train")
    assert done.returncode == 0, done.stderr
    steps = ["types", "docs", "models", "setup-train", "setup-fuzz", "test-all"]
    assert asked_for(done) == ["setup", "lint", "layers", "test", *steps]


@pytest.mark.parametrize("broken", ["lint", "layers", "types", "docs"])
def test_a_failure_in_a_step_or_beside_fails_the_gate_before_the_chosen_tests(broken: str, tmp_path: Path) -> None:
    done = gate(tmp_path, broken, steps="docs")
    assert done.returncode != 0
    assert "test-all" not in asked_for(done)


def test_a_night_that_is_too_old_fails_the_gate_at_once(tmp_path: Path) -> None:
    done = gate(tmp_path, "tools.night")
    assert done.returncode != 0
    assert asked_for(done) == ["setup"]


def test_tests_that_fail_twice_fail_the_gate(tmp_path: Path) -> None:
    done = gate(tmp_path, "test")
    assert done.returncode != 0
    assert asked_for(done)[-2:] == ["test", "test"]
