"""Names: a class has its own in its storey, ADR 1 has a word for each of the domain, no variable is a participle."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.test_names import PACKAGE, PARTICIPLES, class_names, participles

FOLDERS = [PACKAGE, *sorted((PACKAGE.parent / "packages").iterdir())]


STOREYS = [
    *sorted(file.parent for file in PACKAGE.glob("*/__init__.py") if file.parent.name != "libraries"),  # links
    *FOLDERS[1:],
]


@pytest.mark.parametrize("storey", STOREYS, ids=lambda storey: storey.name)
def test_no_two_classes_of_a_storey_have_the_same_name(storey: Path) -> None:
    shared = {name: modules for name, modules in class_names(storey).items() if len(modules) > 1}
    assert shared == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_class_is_named_by_a_participle(folder: Path) -> None:
    bare = [name.lstrip("_") for name in class_names(folder)]
    assert [name for name in bare if re.fullmatch(r"[A-Z][a-z]+ed", name) or name.lower() in PARTICIPLES] == []


@pytest.mark.parametrize("folder", ["miqa_node", "packages", "demo", "tools", "tests", "benchmarks", "examples"])
def test_variables_and_parameters_have_nouns_for_names(folder: str) -> None:
    files = sorted((PACKAGE.parent / folder).rglob("*.py"))
    names = {str(path.relative_to(PACKAGE.parent)): list(participles(path.read_text("utf-8"))) for path in files}
    assert {path: places for path, places in names.items() if places} == {}
