# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""fsck sees what is lost, cut and changed, in a folder and in a bucket, and what is sound again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.features.backup import rows as consistency
from miqa_node.features.backup.rows import Check, Fault
from miqa_node.runtime.store import damages, upkeep
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import open_objects
from tests.features.backup.test_consistency import alarms, faults, shelf
from tests.features.retention.rows.test_retention import Shelf
from tests.runtime.store.making import digest
from tests.stages.receive.test_promises import cut, delete, empty, flip


@pytest.mark.long
def test_a_damaged_copy_of_an_object_in_a_bucket_is_dropped(
    database: Database, tmp_path: Path, bucket_url: str
) -> None:
    shelf = Shelf(database, open_objects(bucket_url, tmp_path / "cache", 0, 1 << 20), tmp_path)
    key = original_key(shelf.decide(71))
    copy = shelf.objects.local_path(key)
    whole = copy.read_bytes()
    copy.write_bytes(b"70")
    assert faults(shelf) == []
    assert faults(shelf, deep=True) == [Fault.COPY_DAMAGED]
    assert not copy.exists()
    assert (shelf.objects.get(key), alarms(shelf)) == (whole, 0)
    assert faults(shelf, deep=True) == []
