"""``--quick``: the part of the tests that tells within minutes that a checkout is sound; ``make test`` runs it.

It leaves out the folders of ``ELSEWHERE`` and keeps the first row of each table: one says what is broken, the others
say where else. A row that tells more than the first carries the mark ``quick``.
``--feature labels`` runs all tests of one feature instead, its folders ``more`` too.

Tests with the mark ``long`` run with ``--long`` only (``make long``, a part of the campaign): they take a minute and
more, and others tell of the same modules.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ELSEWHERE = {"more", "peers", "crash", "examples"}
"""Folders that only ``make test-all`` enters: PostgreSQL, every page in every language, restarts, peers, kills."""
LEFT_OUT = ("peers", "browser")
FEATURES = Path(__file__).parent / "features"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of this plugin."""
    parser.addoption("--quick", action="store_true", help="the quick suite: no folder `more`, one row of each table")
    parser.addoption("--feature", default="", help="all tests of this feature, and no other")
    parser.addoption("--long", action="store_true", help="also the tests that the gate leaves to the campaign")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What the quick suite leaves out is not even imported."""
    if feature := config.option.feature:
        ours = FEATURES / feature
        if not ours.is_dir():
            raise pytest.UsageError(f"{feature} has no tests; these have: {' '.join(names())}")
        return None if collection_path in {ours, *ours.parents} or ours in collection_path.parents else True
    return True if config.option.quick and collection_path.is_dir() and collection_path.name in ELSEWHERE else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of each table the first row, and the rows that are marked; long tests only if they are asked for."""
    for item in items:
        if item.get_closest_marker("long") and not config.option.long:
            item.add_marker(pytest.mark.skip(reason="runs with make long"))
    if not config.option.quick:
        return
    rows: dict[str, list[pytest.Item]] = {}
    for item in items:
        if not any(item.get_closest_marker(name) for name in LEFT_OUT):
            rows.setdefault(item.nodeid.partition("[")[0], []).append(item)
    marked = {name: [row for row in table if row.get_closest_marker("quick")] for name, table in rows.items()}
    chosen = {row for name, table in rows.items() for row in marked[name] or table[:1]}
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


def names() -> list[str]:
    """The features that have tests."""
    return sorted(folder.name for folder in FEATURES.iterdir() if folder.is_dir() and any(folder.rglob("test_*.py")))
