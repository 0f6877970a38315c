"""The check that each test passes when it ends: nothing that it opened is open."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from miqa_node.runtime.store.database import Database
from tests.leftovers import leaving_nothing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell which files are open")


def test_a_file_that_is_left_open_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"left\.txt"), leaving_nothing(tmp_path, {}, 0.0):
        file = (tmp_path / "left.txt").open("w")
    file.close()
    with leaving_nothing(tmp_path, {}, 0.0):
        (tmp_path / "other.txt").write_text("closed")


def test_a_database_that_is_left_open_is_named_with_the_line_that_made_it(
    tmp_path: Path, open_databases: dict[str, str]
) -> None:
    before = Database(f"sqlite:///{tmp_path / 'before.sqlite'}")
    named = pytest.raises(AssertionError, match=r"new\.sqlite.*test_leftovers\.py:\d+$")
    with named, leaving_nothing(None, open_databases, 0.0):
        new = Database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    for database in (before, new):
        database.close()
    with leaving_nothing(tmp_path, open_databases, 0.0):
        Database.in_memory().close()
