"""An addition is its own files and nothing else: each is put into a copy of the project, and the copy keeps its gates.

``examples/additions`` has a folder for each, with files at their places in a checkout.
"""

from __future__ import annotations

import os
import re
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

FINDING = """
[finding.dead_column]
reason = "111214"
any_part = true
certainty = { value = "P_DEADCOL", of = "dead column" }
colour = [15.0, -15.0, -15.0]
policy = [{ verdict = "REVIEW", min_severity = 0.2 }]
severity = { scale = "grows with the number of columns; 1 / 2 / 4 / 8" }

[finding.dead_column.words.en]
title = "Dead column of the detector"
meaning = "columns without a signal"
sizes = ["one", "two", "some", "many"]
hint = "Calibrate the detector of the room before the next patient."

[finding.double_exposure]
"""
PATH = '''@router.get("/all", summary="All", responses=responses(401, 403, 503))
def show_all(who: Reader) -> str:
    """All."""
    return who.name


'''
SMALL = (
    ("config/miqa.toml", "[notices]\n", '[notices]\ngreeting = ""  # first line of each mail\n'),
    ("miqa_node/core/settings/mailing.py", "    patient_data: bool\n", "    patient_data: bool\n    greeting: str\n"),
    ("miqa_node/core/taxonomy/detector.toml", "\n[finding.double_exposure]\n", FINDING),
    ("miqa_node/features/notices/page/status.html", "<section", "<p>Mails of the house are its own.</p>\n<section"),
    ("miqa_node/features/notices/api.py", "PAGE = ", PATH + "PAGE = "),
)  # fmt: skip
"""A setting, a finding, a sentence of a page and a REST path: file, a place in it, and what stands there then."""
SMALL_GATES = (
    "tests/core/test_policy.py",
    "tests/core/language/test_catalogues.py",
    "tests/core/language/test_every_reason.py",
    "tests/core/test_settings_words.py",
    "tests/features/notices",
    "tests/interfaces/cli/test_docs.py",
    "tests/stages/report/test_codes.py",
)


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
    numbers = {own: f"{int(newest) + 1:04}", f"{int(own) - 1:04}": newest}
    text = re.sub("|".join(numbers), lambda match: numbers[match[0]], file.read_text("utf-8"))
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
    folders = [copy, copy / "packages" / "miqa-node-series"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    environment.pop("PYTEST_ADDOPTS", None)  # of the run that this one is a test of
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_a_measurement_is_two_files(name: str) -> None:
    assert [file.parts[0] for file in files_of(name) if file.parts[0] != "tests"] in (["miqa_node"], ["packages"])
    assert len(files_of(name)) == 2


@pytest.mark.long
def test_it_passes_its_own_tests_and_the_copy_its_gates(tree: Path) -> None:
    own = [str(file) for name in MEASUREMENTS for file in files_of(name) if file.parts[0] == "tests"]
    doctests = [str(file) for name in MEASUREMENTS for file in files_of(name) if file.parts[0] != "tests"]
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


@pytest.mark.long
def test_a_setting_a_finding_a_sentence_and_a_path_turn_no_other_test_red(tmp_path: Path) -> None:
    """German, made pages and rows of the policy are warnings (tests/release.py)."""
    copy = copy_with(tmp_path / "copy")
    for file, place, text in SMALL:
        before = (copy / file).read_text("utf-8")
        assert before.count(place) == 1, file
        (copy / file).write_text(before.replace(place, text), "utf-8")
    output = ran(copy, "pytest", "-q", "-p", "no:cacheprovider", *SMALL_GATES)
    for fault in ("fill msgstr of 'Mails of the house", "tools.reference configuration", "has no rule for dead_column"):
        assert fault in output


def test_without_its_line_the_feature_is_gone_and_its_rows_are_erased(house: Path) -> None:
    """Runs last: it takes the line out again."""
    change_lines(house, lambda lines: [line for line in lines if FEATURE not in line])
    assert "sticky" not in ran(house, "tools.reference", "cli")
    own = [str(file) for file in files_of(FEATURE) if file.name.startswith("test_")]
    output = ran(house, "pytest", "-q", "-p", "no:cacheprovider", "-k", "erasure", *own, *FEATURE_GATES)
    assert "2 passed" in output
