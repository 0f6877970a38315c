"""``--quick``: the part of the tests that tells within minutes that a checkout is sound; ``make test`` runs it.

It leaves out the folders of ``ELSEWHERE`` and what carries the mark ``more``, and keeps the first row of each table:
one says what is broken, the others say where else. A row that tells more than the first carries the mark ``quick``; of
a small table whose test needs no fixture all rows run, which costs nothing.
``--feature labels`` runs all tests of one feature instead, those with the mark ``more`` too.

Tests with the mark ``long`` run with ``--long`` only (``make long``, a part of the night): they take twenty seconds
and more of a core, and others tell of the same modules. Of a table whose rows each take seconds the gate runs some
(``in_gate``), and ``make long`` the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from inspect import signature
from pathlib import Path

import pytest

ELSEWHERE = {"peers", "crash", "examples"}
"""Folders that only ``make test-all`` enters."""
LEFT_OUT = ("more", "peers", "browser")
WHOLE_FILE = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.more\b", re.MULTILINE)
"""How a file says that all of its tests carry the mark ``more``: its libraries need not be imported to know it."""
DEAR = {"crash", "examples", "peers", "project"}
"""Folders with the tests that take minutes: where all tests run, these begin first, so that none of them ends last."""
SMALL_TABLE = 12
"""Rows of a table that runs whole, if its test needs no fixture."""
FEATURES = Path(__file__).parent / "features"
PARAM = type(pytest.param())
"""A row with marks or a name of its own."""


def in_gate(rows: Iterable[object], most: int) -> list[object]:
    """The rows of a dear table: ``most`` of them, evenly spread from the first on, run in the gate, the others with
    ``make long``.
    """
    every = list(rows)
    chosen = {place * len(every) // most for place in range(most)}
    return [row if place in chosen else _long(row) for place, row in enumerate(every)]


def _long(row: object) -> object:
    if isinstance(row, PARAM):
        return pytest.param(*row.values, marks=[*row.marks, pytest.mark.long], id=row.id)
    values = row if isinstance(row, tuple) else (row,)
    return pytest.param(*values, marks=pytest.mark.long)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of this plugin."""
    parser.addoption("--quick", action="store_true", help="the quick suite: one row of each table, no mark `more`")
    parser.addoption("--feature", default="", help="all tests of this feature, and no other")
    parser.addoption("--long", action="store_true", help="also the tests that the gate leaves to the night")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What the quick suite leaves out is not even imported."""
    if feature := config.option.feature:
        ours = FEATURES / feature
        if not ours.is_dir():
            raise pytest.UsageError(f"{feature} has no tests; these have: {' '.join(names())}")
        return None if collection_path in {ours, *ours.parents} or ours in collection_path.parents else True
    return True if config.option.quick and _is_elsewhere(collection_path) else None


def _is_elsewhere(path: Path) -> bool:
    if path.is_dir():
        return path.name in ELSEWHERE
    return path.match("test_*.py") and WHOLE_FILE.search(path.read_text("utf-8")) is not None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of each table the first row, or the rows that are marked; long tests only if they are asked for."""
    for item in items:
        if item.get_closest_marker("long") and not config.option.long:
            item.add_marker(pytest.mark.skip(reason="runs with make long"))
    if not config.option.quick:
        items.sort(key=lambda item: DEAR.isdisjoint(item.path.parts))
        return
    rows: dict[str, list[pytest.Item]] = {}
    for item in items:
        if not any(item.get_closest_marker(name) for name in LEFT_OUT):
            rows.setdefault(item.nodeid.partition("[")[0], []).append(item)
    chosen = {row for table in rows.values() for row in _rows_of(table)}
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


def _rows_of(table: list[pytest.Item]) -> list[pytest.Item]:
    if marked := [row for row in table if row.get_closest_marker("quick")]:
        return marked
    return table if len(table) <= SMALL_TABLE and not _needs_fixture(table[0]) else table[:1]


def _needs_fixture(item: pytest.Item) -> bool:
    """Whether a test takes anything but the values of its row."""
    values = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return not isinstance(item, pytest.Function) or not set(signature(item.function).parameters) <= set(values)


def names() -> list[str]:
    """The features that have tests."""
    return sorted(folder.name for folder in FEATURES.iterdir() if folder.is_dir() and any(folder.rglob("test_*.py")))
