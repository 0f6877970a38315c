"""A pytest plugin for the gate: run the tests that a change needs, as ``python -m tools.reach choose`` wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of this plugin."""
    parser.addoption(
        "--chosen", type=Path, help="file with folders, files and functions of tests; an empty one chooses all"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin, if the option says where and it chooses."""
    if config.option.chosen and (names := frozenset(config.option.chosen.read_text("utf-8").split("\n")) - {""}):
        config.pluginmanager.register(Chosen(names, config.rootpath), "chosen-in-a-gate")


class Chosen:
    """``names`` are paths from ``root``; a function follows its file behind two colons."""

    def __init__(self, names: frozenset[str], root: Path) -> None:
        self._names, self._root = names, root
        files = {root / name.partition("::")[0] for name in names}
        self._ways = files | {parent for file in files for parent in file.parents}
        self._whole = {root / name for name in names if "::" not in name}

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Files without a chosen test are not even imported."""
        inside = not self._whole.isdisjoint({collection_path, *collection_path.parents})
        return None if inside or collection_path in self._ways else True

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Of a file the functions that are chosen."""
        chosen = [item for item in items if self._is_chosen(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen

    def _is_chosen(self, item: pytest.Item) -> bool:
        whole = not self._whole.isdisjoint({item.path, *item.path.parents})
        return whole or item.nodeid.partition("[")[0] in self._names
