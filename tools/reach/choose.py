"""The tests that a change needs, beside the quick suite, which always runs whole."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from tools.reach.changes import ROOT, Changes, git
from tools.reach.table import Table
from tools.reach.watch import number

TESTS = ROOT / "tests"
FLOOR = (
    "tests/crash/test_kill.py",
    "tests/crash/test_upgrade.py::test_up_and_back",
    "tests/features/retention/test_erased_texts.py",
    "tests/peers/test_receive_peers.py",
    "tests/peers/test_validators.py",
    "tests/web/test_browser_new_user.py",
)
"""Always: kills, an upgrade, erasure, DCMTK and Orthanc, validators, one way in the browser."""
EVERYTHING = ("constraints.txt", "packages/*/pyproject.toml")
"""Files that everything depends on; of pyproject.toml only ``SECTIONS``."""
SECTIONS = ("project", "dependency-groups", "build-system")
ROOMS = (
    ("config/policy.toml", "tests/core tests/stages tests/node tests/features tests/interfaces tests/project"),
    (
        "config/miqa.toml",
        "tests/core tests/node tests/features tests/interfaces tests/project tests/crash/test_kill.py",
    ),
    ("models/*", "tests/stages tests/node tests/features/models tests/interfaces/cli tests/project tests/peers"),
    ("examples/*", "tests/examples tests/node"),
    ("demo/*", "tests/project tests/peers/test_story.py"),
    ("docs/*", "tests/project"),
    ("*.md", "tests/project"),
    ("miqa_node/*.po", "tests/core/language tests/interfaces/web"),
    ("miqa_node/*.html", "tests/web tests/interfaces/web"),
    ("miqa_node/*.js", "tests/web tests/interfaces/web"),
    ("miqa_node/*.css", "tests/web tests/interfaces/web"),
    ("miqa_node/features/*/page/*", "tests/web"),
    ("miqa_node/interfaces/web/*", "tests/web"),
    ("miqa_node/stages/receive/*", "tests/peers"),
    ("miqa_node/stages/deliver/*", "tests/peers"),
    ("miqa_node/stages/report/*", "tests/peers"),
    ("miqa_node/interfaces/dicomweb/*", "tests/peers"),
    ("miqa_node/built_in.py", "tests/architecture tests/examples tests/node"),
    ("migrations/*", "tests/runtime/store tests/crash/test_upgrade.py"),
    ("miqa_node/features/*/migrations/*", "tests/runtime/store tests/crash/test_upgrade.py"),
    ("Makefile", "tests/project tests/architecture"),
    (".ci/*", "tests/project tests/architecture"),
    (".github/*", "tests/project"),
    ("requirements/*", "tests/project"),
    ("Docker*", "tests/project"),
    ("docker-compose.yml", "tests/project"),
)
"""What is no function of Python, or acts where no trace looks: the peers' and browsers' tests by folder."""
NEEDS = {
    "train": r"\btorch\b|\bsklearn\b",
    "fuzz": r"\batheris\b",
}
"""Steps of the gate by what a chosen file of tests mentions."""
STEPS = {
    "docs": ("docs/*", "mkdocs.yml", "*.md", "tools/*", "examples/*"),
    "models": ("models/*", "miqa_node/stages/assess/*", "miqa_node/stages/explain/*"),
}
"""Steps of the gate by changed files."""


@dataclass
class Choice:
    """``tests`` are files, folders, or functions of files; ``everything`` is the reason to run all instead."""

    tests: set[str] = field(default_factory=set)
    everything: str = ""
    steps: set[str] = field(default_factory=set)


def choose(changes: Changes, table: Table, commit: str) -> Choice:
    """``commit`` is that of the last full run, since which the changes were made."""
    choice, texts = Choice(set(FLOOR)), {file: file.read_text("utf-8") for file in TESTS.rglob("*.py")}
    for path in sorted(changes.files):
        if any(fnmatch(path, pattern) for pattern in EVERYTHING) or (path == "pyproject.toml" and _depends(commit)):
            choice.everything = f"{path} changed"
        choice.tests.update(_rooms_of(path, texts))
        choice.steps.update(step for step, patterns in STEPS.items() if any(fnmatch(path, one) for one in patterns))
    hooks = [
        name for path, name in changes.functions if name.startswith("pytest_") and path.startswith(("tests/", ".ci/"))
    ]
    if hooks:
        choice.everything = f"{hooks[0]} changed, which decides how tests run"
    for path, name in changes.functions:
        tests = table.tests([number(path, name)])
        choice.tests.update(tests)
        if path.startswith("tests/") and name.rpartition(".")[2].startswith("test_"):
            choice.tests.add(f"{path}::{name.replace('.', '::')}")
        elif not tests or path in changes.new:
            choice.tests.update(_beside(path))
    choice.tests = {one for one in choice.tests if (ROOT / one.partition("::")[0]).exists()}
    text = "".join(texts[file] for file in _files(choice))
    choice.steps.update(step for step, words in NEEDS.items() if re.search(words, text))
    return choice


def _depends(commit: str) -> bool:
    """Whether what the project installs changed."""
    before, now = (
        tomllib.loads(text)
        for text in (git("show", f"{commit}:pyproject.toml"), (ROOT / "pyproject.toml").read_text("utf-8"))
    )
    return (
        any(before.get(name) != now.get(name) for name in SECTIONS) or before["tool"]["pytest"] != now["tool"]["pytest"]
    )


def _rooms_of(path: str, texts: Mapping[Path, str]) -> Iterator[str]:
    """Whole rooms for a file, by its place and by who mentions it; ``texts`` are the files of the tests."""
    for pattern, rooms in ROOMS:
        if fnmatch(path, pattern):
            yield from rooms.split()
    if path.endswith(".py"):
        return
    yield from _beside(path)
    name = PurePosixPath(path).name
    for file, text in texts.items():
        if name in text:
            yield from _tests_of(file)


def _tests_of(file: Path) -> Iterator[str]:
    """A file of tests, or of a helper the tests in its folder."""
    yield str((file if file.name.startswith("test_") else file.parent).relative_to(ROOT))


def _beside(path: str) -> Iterator[str]:
    """The room of tests of a file: the deepest folder of the same name as one of its folders."""
    folders = PurePosixPath(path).parts[:-1]
    if folders[:1] == ("packages",):
        folders = ("packages", folders[1].removeprefix("miqa-node-").replace("-", "_"))
    elif folders[:1] in {("miqa_node",), ("tests",)}:
        folders = folders[1:]
    else:
        return
    while folders:
        if (room := TESTS.joinpath(*folders)).is_dir():
            yield str(room.relative_to(ROOT))
            return
        folders = folders[:-1]


def _files(choice: Choice) -> set[Path]:
    paths = [TESTS] if choice.everything else [ROOT / one.partition("::")[0] for one in choice.tests]
    return {file for path in paths for file in ([path] if path.is_file() else path.rglob("test_*.py"))}


def expected_s(choice: Choice, table: Table) -> float:
    """Seconds of one runner, as in the night, that the chosen tests take."""
    return sum(s for test, s in table.seconds.items() if choice.everything or covers(choice.tests, test))


def covers(chosen: Iterable[str], test: str) -> bool:
    """Whether a test, without its row, is one of the chosen ones or lies in a chosen file or folder.

    >>> covers({"tests/core"}, "tests/core/test_a.py::test_b"), covers({"tests/core"}, "tests/core2/test_a.py::test_b")
    (True, False)
    """
    file, _, _ = test.partition("::")
    return any(one in chosen for one in (test, file, *map(str, PurePosixPath(file).parents)))
