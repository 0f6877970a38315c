"""An addition is its own files and nothing else: each is put into a copy of the project, and the copy keeps its gates.

``examples/additions`` has a folder for each, with files at their places in a checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.test_contracts import lint
from tests.conftest import ROOT

ADDITIONS = ROOT / "examples" / "additions"
MEASUREMENTS = ("unused_levels", "us_side_difference")
COPIED = ("config", "docs", "examples", "migrations", "miqa_node", "packages", "tests", "tools")
MADE = ("measurements", "results")
"""Pages that a command makes."""
GATES = (
    "tests/core/language/test_catalogues.py",
    "tests/core/language/test_every_reason.py",
    "tests/interfaces/cli/test_docs.py::test_pages_that_are_made_are_up_to_date",
    "tests/node/test_plugins.py::test_every_plugin_of_the_node_itself_can_be_used",
    "tests/stages/measure/test_documented.py",
    "tests/stages/measure/test_how_exact.py::test_each_measurement_of_the_node_says_where_it_holds_and_how_exact_it_is",
    "tests/stages/measure/test_tried_on.py::test_each_measurement_names_scanners_or_says_that_there_is_none",
    "tests/stages/report/test_codes.py",
)
"""What says whether a measurement is complete."""
FEATURE = "sticky_notes"
FEATURE_GATES = (
    "tests/architecture/test_budget.py",
    "tests/architecture/test_features.py",
    "tests/core/language/test_catalogues.py",
    "tests/core/language/test_phrases.py",
    "tests/features/retention/test_erased_texts.py::test_every_column_of_text_says_what_erasure_does_with_it",
    "tests/interfaces/cli/test_rest_parity.py",
    "tests/node/test_plugins.py::test_every_plugin_of_the_node_itself_can_be_used",
    "tests/runtime/store/test_database.py::test_migrations_lead_to_the_tables_in_the_code",
    "tests/runtime/store/test_tables_of_features.py",
)
"""What says whether a feature with a table is complete."""


def files_of(name: str) -> list[Path]:
    """Of an addition, relative to the checkout."""
    folder = ADDITIONS / name
    files = (path for path in folder.rglob("*") if path.suffix in {".py", ".html"})
    return sorted(path.relative_to(folder) for path in files)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with all measurements, and with the pages that commands make."""
    copy = copy_with(tmp_path_factory.mktemp("with-measurements"), *MEASUREMENTS)
    for page in MADE:
        ran(copy, "tools.reference", page, "--out", f"docs/reference/{page}.md")
    return copy


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the feature and its line."""
    copy = copy_with(tmp_path_factory.mktemp("with-feature"), FEATURE)
    _renumber(copy / "miqa_node" / "features" / FEATURE / "migrations", copy)
    change_lines(copy, lambda lines: sorted({*lines, f'    "{FEATURE}",\n'}))
    return copy


def change_lines(copy: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of features."""
    table = copy / "miqa_node" / "built_in.py"
    head, mark, rest = table.read_text("utf-8").partition("FEATURES = (\n")
    lines, end, tail = rest.partition(")\n")
    table.write_text("".join([head, mark, *change(lines.splitlines(keepends=True)), end, tail]), "utf-8")


def _renumber(folder: Path, copy: Path) -> None:
    """Give the feature's migration the number after the last one, as to the second of two branches that add one."""
    [file] = folder.glob("[0-9]*.py")
    own = file.name.partition("_")[0]
    every = [*copy.glob("migrations/versions/[0-9]*.py"), *copy.glob("miqa_node/features/*/migrations/[0-9]*.py")]
    newest = max(one.name.partition("_")[0] for one in every if one != file)
    text = file.read_text("utf-8").replace(f"{int(own) - 1:04}", newest).replace(own, f"{int(newest) + 1:04}")
    file.unlink()
    (folder / f"{int(newest) + 1:04}_{file.name.partition('_')[2]}").write_text(text, "utf-8")


def copy_with(copy: Path, *additions: str) -> Path:
    """The project in a folder, with the files of additions."""
    unneeded = shutil.ignore_patterns("__pycache__", "additions", "*.pyc")
    for name in COPIED:
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=unneeded)
    for name in ("benchmarks", "models"):
        (copy / name).symlink_to(ROOT / name)
    for document in ("pyproject.toml", "README.md", "CONTRIBUTING.md", "Makefile"):
        shutil.copy(ROOT / document, copy)
    for name in additions:
        for file in files_of(name):
            assert not (copy / file).exists(), f"{file} is there already"
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ADDITIONS / name / file, copy / file)
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


@pytest.mark.long
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


@pytest.mark.long
def test_the_copy_keeps_every_contract(tree: Path) -> None:
    status, text = lint(tree)
    assert status == 0, text


def test_a_feature_is_one_folder_its_tests_and_a_line(house: Path) -> None:
    places = {file.parts[:3] for file in files_of(FEATURE)}
    assert places == {("miqa_node", "features", FEATURE), ("tests", "features", FEATURE)}
    before, after = ((one / "miqa_node" / "built_in.py").read_text("utf-8").splitlines() for one in (ROOT, house))
    assert [line for line in after if line not in before] == [f'    "{FEATURE}",']


@pytest.mark.long
def test_the_feature_passes_its_tests_the_gates_and_the_contracts(house: Path) -> None:
    own = [str(file) for file in files_of(FEATURE) if file.name.startswith("test_")]
    ran(house, "pytest", "-q", "-p", "no:cacheprovider", *own, *FEATURE_GATES)
    status, text = lint(house)
    assert status == 0, text


def test_without_its_line_the_feature_is_gone_and_its_rows_are_erased(house: Path) -> None:
    """Runs last: it takes the line out again."""
    change_lines(house, lambda lines: [line for line in lines if FEATURE not in line])
    assert "sticky" not in ran(house, "tools.reference", "cli")
    own = [str(file) for file in files_of(FEATURE) if file.name.startswith("test_")]
    output = ran(house, "pytest", "-q", "-p", "no:cacheprovider", "-k", "erasure", *own, *FEATURE_GATES)
    assert "2 passed" in output
