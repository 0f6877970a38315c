"""A test that leaves a file or a database open fails, in every run: the next one would meet it, or the last of all.

A node that is not stopped keeps its database, and so is met, too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from miqa_node.runtime.store.database import Database
from tests.waiting import wait_until

DESCRIPTORS = Path("/proc/self/fd")
TESTS = Path(__file__).resolve().parent
LIMIT_S = 20.0
"""For threads that are told to end, and close their files as they do."""


@pytest.fixture(scope="session", autouse=True)
def open_databases() -> Iterator[dict[str, str]]:
    """Those that are not closed: by a name of each, its URL and the line of a test that made it."""
    opened: dict[str, str] = {}
    make, close = Database.__init__, Database.close

    def made(database: Database, *arguments: Any, **keywords: Any) -> None:
        make(database, *arguments, **keywords)
        opened[database.source] = f"the database {database.url}, made by {_line_of_a_test()}"

    def closed(database: Database) -> None:
        close(database)
        opened.pop(database.source, None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "__init__", made)
        patch.setattr(Database, "close", closed)
        yield opened


@pytest.fixture(autouse=True)
def nothing_is_left_open(request: pytest.FixtureRequest, open_databases: dict[str, str]) -> Iterator[None]:
    """Is torn down after all other fixtures of the test."""
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    with leaving_nothing(folder, open_databases):
        yield


@contextmanager
def leaving_nothing(folder: Path | None, databases: dict[str, str], limit_s: float = LIMIT_S) -> Iterator[None]:
    """AssertionError that names each file below the folder, and each new database, that is left open."""
    before = {*databases}
    yield

    def left() -> list[str]:
        new = [what for name, what in [*databases.items()] if name not in before]
        return new + (open_files(folder) if folder is not None else [])

    if left():
        with suppress(AssertionError):
            wait_until(lambda: not left(), limit_s)
    remaining = left()
    for name in databases.keys() - before:
        del databases[name]  # told once
    assert remaining == [], f"it leaves open: {', '.join(remaining)}"


def open_files(folder: Path) -> list[str]:
    """Paths below a folder that this process holds open; none where the system does not tell."""
    hits = set[str]()
    for descriptor in DESCRIPTORS.iterdir() if DESCRIPTORS.is_dir() else ():
        with suppress(OSError):  # closed meanwhile
            hits.add(str(descriptor.readlink()))
    return sorted(path for path in hits if path.startswith(f"{folder}/"))


def _line_of_a_test() -> str:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(TESTS) and path != Path(__file__):
            return f"{path.relative_to(TESTS.parent)}:{frame.f_lineno}"
        frame = frame.f_back
    return "a thread of the node"
