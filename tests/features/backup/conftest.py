"""What the tests of backups share: a node's data folder, filled as they want it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.features.retention.rows.test_retention import Shelf, shelf_of_a_node


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with shelf_of_a_node(tmp_path / "data") as made:
        yield made
