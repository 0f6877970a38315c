"""The gate chooses the tests that reach what changed, by what the night recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools.reach import changes, choose, record, table, watch
from tools.reach.changes import Changes
from tools.reach.table import Table
from tools.reach.units import Module, read


def reached(**tests: list[tuple[str, str]]) -> Table:
    """A table of tests that reach these functions, each a path and a name."""
    rows = [
        {
            "test": f"tests/test_{name}.py::test_{name}",
            "s": 1.0,
            "outcome": "passed",
            "reached": record.packed({watch.number(*one) for one in functions}),
        }
        for name, functions in tests.items()
    ]
    return table.table_of("abc", rows)


def test_a_packed_table_is_the_same(tmp_path: Path) -> None:
    one = reached(a=[("x.py", "f"), ("x.py", "g")], b=[("x.py", "g")], c=[])
    table.write(one, tmp_path / "reach.xz")
    assert table.read(tmp_path / "reach.xz") == one
    assert one.tests([watch.number("x.py", "g")]) == {"tests/test_a.py::test_a", "tests/test_b.py::test_b"}


def test_rows_of_a_table_are_one_test_and_a_skipped_one_is_none() -> None:
    rows = [
        {"test": f"tests/test_a.py::{name}", "s": 1.0, "outcome": outcome, "reached": record.packed({number})}
        for number, (name, outcome) in enumerate(
            [("test_a[1]", "passed"), ("test_a[2]", "failed"), ("test_b", "skipped")]
        )
    ]
    assert table.table_of("abc", rows).seconds == {"tests/test_a.py::test_a": 2.0}


BEFORE = {
    "a.py": """
LIMIT = 1
TEXT = 'x'
def f():
    "Doc."
    return LIMIT
def g():
    return 2
class C:
    size = 3
    def m(self):
        return 4
""",
    "b.py": """
from a import LIMIT, C
TWICE = 2 * LIMIT
def h():
    return TWICE
def i():
    return C()
def j():
    return 5
""",
}


@pytest.mark.parametrize(
    ("was", "now", "functions", "new"),
    [
        ("return 2", "return 3", {("a.py", "g")}, set()),
        ("return 4", "return 5", {("a.py", "C.m")}, set()),
        ("Doc.", "Docs.", set(), set()),
        ("LIMIT = 1", "LIMIT = 2", {("a.py", "f"), ("b.py", "h")}, set()),
        ("size = 3", "size = 4", {("b.py", "i")}, set()),
        ("TEXT = 'x'", "TEXT = 'y'", set(), set()),
        ("def g()", "def k()", {("a.py", "g"), ("a.py", "k")}, {"a.py"}),
    ],
    ids=["function", "method", "docstring", "constant, also by another", "field", "unused", "renamed"],
)
def test_what_changes_with_a_text(
    was: str, now: str, functions: set[tuple[str, str]], new: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    after = BEFORE | {"a.py": BEFORE["a.py"].replace(was, now)}
    monkeypatch.setattr(changes, "_text", after.__getitem__)
    monkeypatch.setattr(changes, "git", said(BEFORE, changed="a.py"))
    differences = changes.since("abc")
    assert (differences.functions, differences.new, differences.files) == (functions, new, {"a.py"})


def said(before: Mapping[str, str], changed: str) -> object:
    """What git would say of a commit with these files, of which one changed."""

    def git(*words: str, missing: str | None = None) -> str:
        match words:
            case ["diff", *_]:
                return changed
            case ["ls-files", "--others", *_]:
                return ""
            case ["ls-files", *_]:
                return "\0".join(before)
            case ["show", name]:
                return before.get(name.partition(":")[2], missing or "")
        raise AssertionError(words)

    return git


def test_a_name_is_followed_through_modules_that_pass_it_on() -> None:
    tree = {
        "a": ("a.py", read("X = 1", "a")),
        "p": ("p/__init__.py", read("from a import X", "p")),
        "b": ("b.py", read("import p\ndef f():\n    return p.X\ndef g():\n    return p.Y", "b")),
    }
    assert changes.users({("a", "X")}, tree) == {("b.py", "f")}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with some empty tests."""
    for name in ("stages/report/test_a.py", "stages/receive/test_b.py", "peers/test_c.py", "core/test_d.py"):
        file = tmp_path / "tests" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.setattr(choose, "ROOT", tmp_path)
    monkeypatch.setattr(choose, "TESTS", tmp_path / "tests")
    return tmp_path


FUNCTION = ("miqa_node/core/a.py", "f")


@pytest.mark.usefixtures("checkout")
def test_the_tests_of_a_changed_function_are_chosen() -> None:
    reach = table.Table(
        "abc",
        {"tests/core/test_d.py::test_d": 60.0},
        {watch.number(*FUNCTION): frozenset({"tests/core/test_d.py::test_d"})},
    )
    choice = choose.choose(Changes(functions={FUNCTION}, files={FUNCTION[0]}), reach, "abc")
    assert (choice.tests, choice.everything) == ({"tests/core/test_d.py::test_d"}, "")
    assert choose.expected_s(choice, reach) == 60.0


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        ("miqa_node/stages/receive/a.sql", {"tests/stages/receive", "tests/peers"}),
        ("miqa_node/stages/report/odd.json", {"tests/stages/report", "tests/peers"}),
        ("miqa_node/core/words.toml", {"tests/core"}),
        ("README.md", set()),
    ],
)
def test_rooms_are_chosen_for_what_is_no_function(path: str, chosen: set[str]) -> None:
    assert choose.choose(Changes(files={path}), reached(), "abc").tests == chosen


@pytest.mark.usefixtures("checkout")
def test_a_function_that_no_test_reaches_brings_its_room() -> None:
    changed = Changes(functions={("miqa_node/stages/report/new.py", "f")}, files={"miqa_node/stages/report/new.py"})
    assert "tests/stages/report" in choose.choose(changed, reached(), "abc").tests


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    "changed",
    [
        Changes(files={"constraints.txt"}),
        Changes(files={"tests/quick.py"}, functions={("tests/quick.py", "pytest_ignore_collect")}),
    ],
)
def test_what_decides_how_tests_run_brings_all(changed: Changes) -> None:
    assert choose.choose(changed, reached(), "abc").everything


def test_a_file_that_names_another_needs_its_step(checkout: Path) -> None:
    (checkout / "tests/core/test_d.py").write_text("import torch", "utf-8")
    assert "train" in choose.choose(Changes(files={"miqa_node/core/words.toml"}), reached(), "abc").steps


@pytest.mark.parametrize("one", choose.FLOOR)
def test_the_floor_is_there(one: str) -> None:
    path, _, name = one.partition("::")
    assert f"def {name}" in (ROOT / path).read_text("utf-8")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is of Python 3.12")
def test_a_run_records_what_its_tests_reach_in_other_processes_too(tmp_path: Path) -> None:
    test = tmp_path / "test_reaches.py"
    test.write_text(
        "import subprocess, sys\n"
        "def test_here():\n    from tools.reach.choose import covers\n    covers(set(), 'a')\n"
        "def test_there():\n"
        "    call = 'from tools.reach.choose import covers; covers(set(), \"a\")'\n"
        f"    subprocess.run([sys.executable, '-c', call], cwd={str(ROOT)!r}, check=True)\n"
        "def test_neither():\n    pass\n",
        "utf-8",
    )
    is_night = record.PTH.exists()
    environment = os.environ | {record.FOLDER: str(tmp_path / "reach"), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tools.reach.record", "-p", "no:cacheprovider", "-n", "1"]
    done = subprocess.run(
        [*command, "--rootdir", ROOT, test], cwd=ROOT, env=environment, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stdout
    reach = table.table_of("abc", record.rows(tmp_path / "reach"))
    names = {one.rpartition("::")[2] for one in reach.tests([watch.number("tools/reach/choose.py", "covers")])}
    assert names == {"test_here", "test_there"}
    assert record.PTH.exists() == is_night


def test_a_module_that_is_no_python_has_no_units() -> None:
    assert changes._module("def f(:", "a.py") == Module(())
