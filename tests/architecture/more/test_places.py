"""No test of before the quick suite was dropped: ``tests/places.tsv`` says where each is now.

Its columns: the function then, its rows, which suite runs them now, and the function now. Who renames, merges or
removes one of these tests writes there what stands for it.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
PLACES = [line.split("\t") for line in (TESTS / "places.tsv").read_text("utf-8").splitlines()[1:]]


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS.parent / file).read_text("utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = {f"{one.name}::{method.name}" for one in classes for method in one.body if hasattr(method, "name")}
    imported = {a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    return frozenset({n.name for n in tree.body if isinstance(n, ast.FunctionDef)} | methods | imported)


def test_each_test_of_before_has_its_place() -> None:
    assert len(PLACES) == 3750
    assert sum(int(rows) for _, rows, _, _ in PLACES) == 11488
    lost = [now for _, _, _, now in PLACES if now.partition("::")[2] not in functions(now.partition("::")[0])]
    assert not lost


def test_what_the_quick_suite_leaves_out_lies_apart() -> None:
    apart = {"more", "peers", "crash", "examples"}
    for _, _, suite, now in PLACES:
        if suite.startswith("quick"):
            assert not apart & set(Path(now.partition("::")[0]).parts), now
