"""What the tests of backups share: a node's data folder, filled as they want it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects
from tests.features.retention.rows.test_retention import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    folder = tmp_path / "data"
    folder.mkdir()
    database = Database(f"sqlite:///{folder / 'miqa.sqlite'}")
    database.migrate()
    yield Shelf(database, open_objects("", folder / "objects", 0, 1 << 20), folder)
    database.close()
