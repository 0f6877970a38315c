"""A worker that was paused while another took over never overwrites what that one recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.delivery import SR, ResultObject
from miqa_node.core.domain.object_store import ObjectStore, Soundness
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store import upkeep
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.stages.deliver.rows import deliveries, results
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import NOW, digest, header, received, study

UID = "2.25.57"
OWN, OTHER = b"own bytes", b"bytes of the worker that took over"


@pytest.fixture(params=["disk", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "disk":
        return open_objects("", tmp_path / "objects", 0, 1 << 20)
    return open_objects(request.getfixturevalue("bucket_url"), tmp_path / "cache", 0, 1 << 20)


def kept(objects: ObjectStore, data: bytes) -> ResultObject:
    key = Artifacts(objects).keep_result(digest(1), UID, data)
    return ResultObject(UID, "1.2.3", SR, key).of(data)


def test_what_the_other_recorded_stays(database: Database, objects: ObjectStore) -> None:
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "k/1")
        recorded = kept(objects, OTHER)
        deliveries.record_result(transaction, digest(1), recorded, NOW)
    late = kept(objects, OWN)
    with database.begin() as transaction:
        deliveries.record_result(transaction, digest(1), late, NOW)
        origin = results.find(transaction, recorded.object_key)
        assert results.find(transaction, late.object_key) is None
    assert origin is not None
    assert origin.result == recorded
    assert Artifacts(objects).verify_result(origin.result) is Soundness.SOUND


def test_each_writer_records_its_own_file_whoever_commits_first(database: Database, objects: ObjectStore) -> None:
    first, second = kept(objects, OTHER), kept(objects, OWN)
    with database.begin() as transaction:
        instances.record(transaction, header(1), study(), received(digest(1)), "k/1")
        deliveries.record_result(transaction, digest(1), second, NOW)
        deliveries.record_result(transaction, digest(1), first, NOW)
        row = transaction.execute(sa.select(t.results)).one()
    assert (row.object_key, row.sha256) == (second.object_key, sha256(OWN).hexdigest())
    assert objects.get(row.object_key) == OWN
    swept, _ = upkeep.sweep_orphans(database, objects, digest(1)[:2], datetime.now(UTC) + timedelta(days=9))
    assert (swept, objects.exists(first.object_key), objects.exists(second.object_key)) == (0, True, True), "undecided"
    with database.begin() as transaction:
        transaction.execute(sa.update(t.instances).values(removed_at=NOW))
    swept, _ = upkeep.sweep_orphans(database, objects, digest(1)[:2], datetime.now(UTC) + timedelta(days=9))
    assert (swept, objects.exists(first.object_key), objects.exists(second.object_key)) == (1, False, True)


def test_the_same_bytes_have_one_file_and_an_empty_one_is_replaced(objects: ObjectStore) -> None:
    first = kept(objects, OWN)
    assert kept(objects, OWN) == first
    objects.replace(first.object_key, b"")
    assert kept(objects, OWN) == first
    assert objects.get(first.object_key) == OWN
