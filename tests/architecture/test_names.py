"""Names: a class has its own in its storey, ADR 1 has a word for each of the domain, no variable is a participle.

People search for a class by its name, and find it next to what it works with: two storeys may each have a ``Batch``.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.plugins import SEAMS

PACKAGE = Path(__file__).parents[2] / "miqa_node"
VOCABULARY = PACKAGE.parent / "docs" / "adr" / "0001-vocabulary.md"
PARTICIPLES = {"asked", "begun", "found", "given", "kept", "known", "left", "said", "seen", "taken", "told", "wanted"}
SIDES = {"above", "base", "bottom", "columns", "end", "right", "top", "width"}
FOLDERS = [PACKAGE, *sorted((PACKAGE.parent / "packages").iterdir())]
STOREYS = [
    *sorted(file.parent for file in PACKAGE.glob("*/__init__.py") if file.parent.name != "libraries"),  # links
    *FOLDERS[1:],
]


def class_names(folder: Path = PACKAGE) -> dict[str, list[str]]:
    """Every class of a folder, private and inner ones too → the modules that define it."""
    modules: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if "class " in source else ():
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(str(path.relative_to(folder)))
    return modules


def test_a_second_class_of_the_same_name_is_seen(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text("class Header: ...\n", encoding="utf-8")
    (tmp_path / "second.py").write_text("def make():\n    class Header: ...\n", encoding="utf-8")
    assert class_names(tmp_path) == {"Header": ["first.py", "second.py"]}


def test_the_vocabulary_has_every_class_of_the_domain_and_of_the_seams() -> None:
    words = set(re.findall(r"^\| `(\w+)` \|", VOCABULARY.read_text(encoding="utf-8"), re.MULTILINE))
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (PACKAGE / "core" / "domain").glob("*.py")]
    domain = {node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    seams = {seam.kind.__name__ for seam in SEAMS.all().values()}
    assert words == {name for name in domain if not name.startswith("_")} | seams


def participles(source: str) -> Iterator[tuple[int, str]]:
    """(line, name) of each parameter and local variable with a participle for a name; ``left`` may be a side."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        all_nodes = list(ast.walk(function))
        places = [(node.lineno, node.arg) for node in all_nodes if isinstance(node, ast.arg)]
        places += [
            (node.lineno, node.id)
            for node in all_nodes
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]
        places = [(line, name) for line, name in places if name in PARTICIPLES]
        if places:
            nouns = [node for node in all_nodes if not isinstance(node, ast.keyword)]
            names = {getattr(node, field, None) for node in nouns for field in ("id", "attr", "arg")}
            yield from (place for place in places if place[1] != "left" or not names & SIDES)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def judge(given): ...", ["given"]),
        ("def judge():\n    [found] = search()", ["found"]),
        ("def judge(key=lambda seen: seen): ...", ["seen"]),
        ("def take():\n    left = limit - size", ["left"]),
        ("def crop():\n    top, left = box", []),
        ("def judge(row):\n    return row.said(known=row.found)", []),
    ],
)
def test_a_participle_is_seen(source: str, names: list[str]) -> None:
    assert sorted({name for _, name in participles(source)}) == names


@pytest.mark.more
@pytest.mark.parametrize("storey", STOREYS, ids=lambda storey: storey.name)
def test_no_two_classes_of_a_storey_have_the_same_name(storey: Path) -> None:
    shared = {name: modules for name, modules in class_names(storey).items() if len(modules) > 1}
    assert shared == {}


@pytest.mark.more
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_class_is_named_by_a_participle(folder: Path) -> None:
    bare = [name.lstrip("_") for name in class_names(folder)]
    assert [name for name in bare if re.fullmatch(r"[A-Z][a-z]+ed", name) or name.lower() in PARTICIPLES] == []


@pytest.mark.more
@pytest.mark.parametrize("folder", ["miqa_node", "packages", "demo", "tools", "tests", "benchmarks", "examples"])
def test_variables_and_parameters_have_nouns_for_names(folder: str) -> None:
    files = sorted((PACKAGE.parent / folder).rglob("*.py"))
    names = {str(path.relative_to(PACKAGE.parent)): list(participles(path.read_text("utf-8"))) for path in files}
    assert {path: places for path, places in names.items() if places} == {}
