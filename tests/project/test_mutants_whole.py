"""Mutants of a small package are traced and killed as those of miqa_node are, subprocesses included."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.mutants.mutations import choose
from tools.mutants.records import Records, write_mutants
from tools.mutants.shares import outcome
from tools.mutants.tree import add_tools, run_tests, set_marks

pytestmark = pytest.mark.more

CODE = """
from functools import cache

def total(values):
    return sum(values) + 1

@cache
def table():
    return {"a": 1}

def endless(least):
    count = 5
    while count > least:
        count -= 1
    return count

def unseen():
    return 3

def odd():
    return 7
"""
TESTS = """
import os
import subprocess
import sys
from pathlib import Path

import pytest

from miqa_node import small

def test_total():
    assert small.total([1, 2]) == 4

def test_in_a_process():
    code = "from miqa_node import small; print(small.table()['a'])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "1"

@pytest.fixture(scope="module")
def ended():
    return small.endless(2)

def test_nothing():
    pass

def test_ended(ended):
    assert ended == 2

def test_what_is_left_open(ended):
    assert ended

def test_unsteady():
    assert small.odd()
    if "MUTANTS_WORK" in os.environ:  # beside mutants it fails once
        ran = Path(os.environ["MUTANTS_WORK"], "ran")
        known = ran.exists()
        ran.touch()
        assert known
"""
CONFIGURATION = """
[tool.pytest.ini_options]
addopts = ["--import-mode=importlib"]
pythonpath = ["."]
markers = ["peers", "browser"]
"""


def test_mutants_of_a_small_package_are_killed_by_the_tests_that_reach_them(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for path, text in {
        "miqa_node/__init__.py": "",
        "miqa_node/small.py": CODE,
        "tests/test_small.py": TESTS,
        "pyproject.toml": CONFIGURATION,
        "tools/__init__.py": "",
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    add_tools(tree)
    set_marks(tree, write_mutants(tmp_path, {1: choose(tree, 1, 100)}))
    record = {"MUTANTS_RECORD": str(tmp_path / "executions.jsonl")}
    quick = ["-k", "not in_a_process", "--collect-only"]
    assert [run_tests(tree, "trace", arguments, record) for arguments in (quick, [])] == [0, 0]
    assert run_tests(tree, "trace", quick, record) == 0  # a trace that goes on
    assert "test_total" in (tmp_path / "quick.txt").read_text()
    (tree / "miqa_node/small.py").write_text(CODE)

    records = Records(tmp_path)
    tests = {one.line: records.tests(one.name, quick=one.line != 9) for one in records.chosen(1)}
    assert [one.partition("::")[2] for one in tests[5]] == ["test_total"]
    assert [one.partition("::")[2] for one in tests[13]] == ["test_ended", "test_what_is_left_open"]
    assert set(tests) == {5, 9, 12, 13, 14, 15, 21}  # no test reaches 18

    variables = {"MUTANTS_WORK": str(tmp_path), "MUTANTS_SEED": "1", "MUTANTS_KILLERS": "1", "MUTANTS_LIMIT_S": "2"}
    run_tests(tree, "kill", [], variables)
    assert (tree / "miqa_node/small.py").read_text() == CODE
    result = outcome(Records(tmp_path, limit_s=2.0), 1)
    rows = {(one["place"].rpartition(":")[2], one["after"]): one["killed_by"] for one in result["mutants"]}
    assert rows["5", "return None"] == "tests/test_small.py::test_total"
    assert rows["9", "2"] == "tests/test_small.py::test_in_a_process"
    assert rows["13", "count >= least"] == "tests/test_small.py::test_ended"
    assert rows["14", "count += 1"] is None  # it runs for ever, so nothing is known
    assert rows["12", "6"] is None
    assert rows["21", "8"] is None  # what failed passed when it ran again
    assert result["open"] == 0
    assert result["killed_by_all_tests"] - result["killed_by_make_test"] == 3  # the dictionary's and its return
