"""The quick suite, the suite of one feature, and what a run says of its costs, on a tree of tests of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from miqa_node import built_in
from tests import quick
from tests.conftest import ROOT

pytestmark = pytest.mark.more

CONFTEST = """
from tests import costs, quick

def pytest_addoption(pluginmanager):
    pluginmanager.register(quick, "quick-suite")
    pluginmanager.register(costs, "costs-of-tests")
"""
TABLE = """
import pytest

@pytest.mark.parametrize("row", ["a", "b"])
@pytest.mark.parametrize("side", [1, 2])
def test_plain(row, side, tmp_path): pass

@pytest.mark.parametrize("row", range(12))
def test_small(row): pass

@pytest.mark.parametrize("row", range(13))
def test_large(row): pass

@pytest.mark.parametrize("row", ["a", pytest.param("b", marks=pytest.mark.quick), "c"])
def test_marked(row): pass

@pytest.mark.peers
def test_peer(): pass

@pytest.mark.more
def test_more(): pass
"""
WHOLE_FILE = f"""
from pathlib import Path
{TABLE}
Path("imported").touch()
pytestmark = [
    pytest.mark.more,
]
"""


def names_run(folder: Path, *options: str) -> set[str]:
    """Which tests of the tree a run with these options takes."""
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n quick\n peers\n more\n", "utf-8")
    (folder / "peers").mkdir()
    for file in ("test_it.py", "peers/test_it.py"):
        (folder / file).write_text(TABLE, "utf-8")
    (folder / "test_whole.py").write_text(WHOLE_FILE, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "--import-mode=importlib", "-c", "pytest.ini"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([*command, *options], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_the_quick_suite_has_one_row_of_each_table_and_nothing_of_the_rest(tmp_path: Path) -> None:
    one_row = {"test_it.py::test_plain[1-a]", "test_it.py::test_marked[b]", "test_it.py::test_large[0]"}
    assert names_run(tmp_path, "--quick") == one_row | {f"test_it.py::test_small[{row}]" for row in range(12)}
    assert not (tmp_path / "imported").exists()


def test_without_it_all_rows_of_all_files_run(tmp_path: Path) -> None:
    assert len(names_run(tmp_path)) == 3 * (4 + 12 + 13 + 3 + 1 + 1)
    assert (tmp_path / "imported").exists()


def test_long_tests_run_if_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n long\n", "utf-8")
    (tmp_path / "test_it.py").write_text("import pytest\n@pytest.mark.long\ndef test_a(): pass\n", "utf-8")
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    for options, words in (([], "[1] test_it.py:2: runs with make long"), (["--long", "-m", "long"], "1 passed")):
        command = [sys.executable, "-m", "pytest", "-q", "-rs", "-c", "pytest.ini", *options]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        assert words in done.stdout


def test_of_a_dear_table_some_rows_run_in_the_gate_and_all_others_are_long() -> None:
    rows = quick.in_gate([("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)], 2)
    assert [rows[0], rows[2]] == [("a", 1), ("c", 3)]
    others = [rows[place] for place in (1, 3, 4)]
    assert others == [pytest.param(*values, marks=pytest.mark.long) for values in (("b", 2), ("d", 4), ("e", 5))]


def test_a_long_row_keeps_its_marks_and_its_name() -> None:
    of_peers = pytest.param("b", 2, marks=pytest.mark.peers, id="two")
    marks = [pytest.mark.peers, pytest.mark.long]
    assert quick.in_gate([("a", 1), of_peers], 1) == [("a", 1), pytest.param("b", 2, marks=marks, id="two")]


def test_every_folder_of_features_is_one(tmp_path: Path) -> None:
    assert set(quick.names()) <= set(built_in.FEATURES)


def test_a_feature_without_tests_is_named_with_those_that_have_some() -> None:
    command = [sys.executable, "-m", "pytest", "--feature", "lables", "--collect-only", "-q"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "lables has no tests; these have: accounts analysis" in done.stdout + done.stderr
