"""Each class has a name of its own, and the vocabulary of ADR 1 has a word for each of the domain."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

from miqa_node.plugins import SEAMS

PACKAGE = Path(__file__).parents[2] / "miqa_node"
VOCABULARY = PACKAGE.parent / "docs" / "adr" / "0001-vocabulary.md"


def class_names() -> dict[str, list[str]]:
    """Every class of the package, private and inner ones too → the modules that define it."""
    modules: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(str(path.relative_to(PACKAGE)))
    return modules


def test_no_two_classes_have_the_same_name() -> None:
    shared = {name: modules for name, modules in class_names().items() if len(modules) > 1}
    assert shared == {}


def test_the_vocabulary_has_every_class_of_the_domain_and_of_the_seams() -> None:
    words = set(re.findall(r"^\| `(\w+)` \|", VOCABULARY.read_text(encoding="utf-8"), re.MULTILINE))
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (PACKAGE / "domain").glob("*.py")]
    domain = {node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    seams = {seam.kind.__name__ for seam in SEAMS.all().values()}
    assert words == {name for name in domain if not name.startswith("_")} | seams
