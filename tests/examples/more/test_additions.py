"""An addition is its own files and nothing else: each is put into a copy of the project, and the copy keeps its gates.

``tests/examples/additions`` has a folder for each, with files at their places in a checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.more.test_contracts import lint
from tests.conftest import ROOT

ADDITIONS = ROOT / "tests" / "examples" / "additions"
MEASUREMENTS = ("unused_levels", "us_side_difference")
COPIED = ("config", "docs", "examples", "migrations", "miqa_node", "packages", "tests", "tools")
MADE = ("measurements", "results")
"""Pages that a command makes."""
GATES = (
    "tests/core/language/more/test_catalogues.py::test_no_translation_is_missing_or_left_over",
    "tests/interfaces/cli/test_docs.py::test_pages_that_are_made_are_up_to_date",
    "tests/node/test_plugins.py::test_every_plugin_of_the_node_itself_can_be_used",
    "tests/stages/measure/more/test_documented.py",
    "tests/stages/measure/test_documented.py",
    "tests/stages/measure/test_how_exact.py::test_each_measurement_of_the_node_says_where_it_holds_and_how_exact_it_is",
    "tests/stages/report/test_codes.py",
)
"""What says whether a measurement is complete."""


def files_of(name: str) -> list[Path]:
    """Of an addition, relative to the checkout."""
    folder = ADDITIONS / name
    return sorted(path.relative_to(folder) for path in folder.rglob("*.py"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with all additions, and with the pages that commands make."""
    copy = tmp_path_factory.mktemp("with-additions")
    unneeded = shutil.ignore_patterns("__pycache__", "additions", "*.pyc")
    for name in COPIED:
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=unneeded)
    (copy / "models").symlink_to(ROOT / "models")
    for document in ("pyproject.toml", "README.md", "CONTRIBUTING.md", "Makefile"):
        shutil.copy(ROOT / document, copy)
    for name in MEASUREMENTS:
        for file in files_of(name):
            assert not (copy / file).exists(), f"{file} is there already"
            shutil.copy(ADDITIONS / name / file, copy / file)
    for page in MADE:
        ran(copy, "tools.reference", page, "--out", f"docs/reference/{page}.md")
    return copy


def ran(copy: Path, *command: str) -> str:
    """What a module of the copy prints."""
    environment = os.environ | {"PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_a_measurement_is_two_files(name: str) -> None:
    assert [file.parts[0] for file in files_of(name)] == ["miqa_node", "tests"]


def test_it_passes_its_own_tests_and_the_copy_its_gates(tree: Path) -> None:
    own = [str(file) for name in MEASUREMENTS for file in files_of(name) if file.parts[0] == "tests"]
    doctests = [str(file) for name in MEASUREMENTS for file in files_of(name) if file.parts[0] == "miqa_node"]
    ran(tree, "pytest", "-q", "-p", "no:cacheprovider", "--doctest-modules", *doctests)
    output = ran(tree, "pytest", "-q", "-p", "no:cacheprovider", "-k", "not conformance", *own, *GATES)
    assert "fill msgstr of 'Fine steps of grey were lost" in output, "a word without German is a warning with its place"


def test_it_is_listed_by_its_name_with_its_code_and_its_range(tree: Path) -> None:
    pages = [(tree / "docs" / "reference" / f"{page}.md").read_text("utf-8") for page in MADE]
    for name, code in (("unused_levels", "UNUSED_LEVELS"), ("us_side_difference", "US_SIDES")):
        assert f"| `{name}` | % |" in pages[0]
        assert f"| `{name}` | ({code}, 99MIQA, " in pages[1]
        assert f"| `{code}` | " in pages[1]
    assert "**Usual ranges allow:** 2 %." in next(row for row in pages[0].splitlines() if "`us_side_diff" in row)


def test_the_copy_keeps_every_contract(tree: Path) -> None:
    status, text = lint(tree)
    assert status == 0, text
