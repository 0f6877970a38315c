"""What changes a verdict lives in stages: a feature that is taken out takes no verdict with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import miqa_node

FEATURES = Path(miqa_node.__file__).parent / "features"
FORBIDDEN = {"decide", "JobQueue", "enqueue_assess", "enqueue_reassess", "reassessments.ask", "reassessments.request"}
"""The decision, the queue, and requests for another judgement."""


def files() -> list[Path]:
    """Effects and rows of features."""
    return sorted(
        path
        for path in FEATURES.rglob("*.py")
        if {"effect", "rows", "effect.py", "rows.py"} & set(path.relative_to(FEATURES).parts)
    )


def names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.attr
            yield ast.unparse(node)


def test_there_are_effects_and_rows_to_look_at() -> None:
    assert len(files()) > 40


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(FEATURES)))
def test_effects_and_rows_of_features_decide_nothing(path: Path) -> None:
    assert not FORBIDDEN & set(names(path))


def makers_of_judgements() -> Iterator[str]:
    for path in sorted(Path(miqa_node.__file__).parent.rglob("*.py")):
        calls = (node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        if any(isinstance(one, ast.Name) and one.id == "Judgement" for one in calls):
            yield path.relative_to(FEATURES.parent).as_posix()


def test_a_disposition_is_set_in_one_place_which_gives_the_score() -> None:
    """The other one loads what was recorded."""
    assert list(makers_of_judgements()) == ["core/taxonomy/verdict_score.py", "stages/units/rows/judgements.py"]
