"""fsck sees what is lost, cut and changed, in a folder and in a bucket, and what is sound again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.object_store import ObjectStore, Soundness
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.features.backup import rows as consistency
from miqa_node.features.backup.rows import Check, Fault
from miqa_node.runtime.store import damages, upkeep
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.stages.units.rows.removal import delete_marked
from tests.features.retention.rows.test_retention import Shelf
from tests.runtime.store.making import digest
from tests.stages.receive.test_promises import cut, delete, empty, flip

Damage = Callable[[ObjectStore, str], None]


@pytest.fixture(autouse=True)
def _only_one_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of these tests takes seconds to list all of a bucket."""
    monkeypatch.setattr(consistency, "shards", lambda: [digest(71)[:2]])


@pytest.fixture(params=["disk", "s3"])
def shelf(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Shelf:
    url = request.getfixturevalue("bucket_url") if request.param == "s3" else ""
    return Shelf(database, open_objects(url, tmp_path / "objects", 0, 1 << 20), tmp_path)


def faults(shelf: Shelf, *, deep: bool = False, repair: bool = False) -> list[Fault]:
    now = datetime.now(UTC)
    check = Check(shelf.database, shelf.objects, frozenset, frozenset({"PACS"}), lambda *_: None, now)
    return [one.fault for one in check.run(deep=deep, repair=repair)]


def alarms(shelf: Shelf) -> int:
    with shelf.database.begin() as transaction:
        return len(list(damages.alarm(transaction)))


@pytest.mark.parametrize(
    ("damage", "plain", "deep"),
    [
        (delete, [Fault.ORIGINAL_LOST], [Fault.ORIGINAL_LOST]),
        (empty, [Fault.ORIGINAL_CHANGED], [Fault.ORIGINAL_CHANGED]),
        (cut, [Fault.ORIGINAL_CHANGED], [Fault.ORIGINAL_CHANGED]),
        (flip, [], [Fault.ORIGINAL_CHANGED]),
    ],
)
def test_an_original_is_compared_with_its_row(
    shelf: Shelf, damage: Damage, plain: list[Fault], deep: list[Fault]
) -> None:
    key = original_key(shelf.decide(71))
    assert faults(shelf, deep=True) == []
    damage(shelf.objects, key)
    assert (faults(shelf), alarms(shelf)) == (plain, len(plain))
    assert (faults(shelf, deep=True), alarms(shelf)) == (deep, 1)
    shelf.arrive(71)
    assert (faults(shelf, deep=True), alarms(shelf)) == ([], 0)


@pytest.mark.parametrize(
    ("damage", "plain", "deep"),
    [
        (delete, [Fault.RESULT_LOST], [Fault.RESULT_LOST]),
        (empty, [Fault.RESULT_CHANGED], [Fault.RESULT_CHANGED]),
        (cut, [Fault.RESULT_CHANGED], [Fault.RESULT_CHANGED]),
        (flip, [], [Fault.RESULT_CHANGED]),
    ],
)
def test_a_result_is_compared_with_its_row(shelf: Shelf, damage: Damage, plain: list[Fault], deep: list[Fault]) -> None:
    result = shelf.report(shelf.decide(71), sent=True)
    assert faults(shelf, deep=True) == []
    damage(shelf.objects, result.object_key)
    assert (faults(shelf), alarms(shelf)) == (plain, len(plain))
    assert (faults(shelf, deep=True), alarms(shelf)) == (deep, 1)
    Artifacts(shelf.objects).mend_result(result.object_key, b"report")
    assert (faults(shelf, deep=True), alarms(shelf)) == ([], 0)


def test_of_a_result_of_an_earlier_version_the_presence_is_known(shelf: Shelf) -> None:
    result = shelf.report(shelf.decide(71), sent=True)
    with shelf.database.begin() as transaction:
        transaction.execute(sa.update(t.results).values(size_bytes=None, sha256=None))
    flip(shelf.objects, result.object_key)
    assert faults(shelf, deep=True) == []
    empty(shelf.objects, result.object_key)
    assert faults(shelf) == [Fault.RESULT_CHANGED]


def test_what_is_back_without_the_node_ends_the_alert(shelf: Shelf) -> None:
    key = original_key(shelf.decide(71))
    whole = shelf.objects.get(key)
    flip(shelf.objects, key)
    faults(shelf, deep=True)
    shelf.objects.replace(key, whole)
    assert (faults(shelf), alarms(shelf)) == ([], 1), "nobody has looked at the bytes"
    assert (faults(shelf, deep=True), alarms(shelf)) == ([], 0)


def test_a_size_that_an_earlier_version_did_not_record_is_that_of_head_and_data_set(
    shelf: Shelf, samples: Path, tmp_path: Path
) -> None:
    of = shelf.decide(71)
    key, file = original_key(of), tmp_path / "file"
    data = (samples / "RG1_UNCR.dcm").read_bytes()
    start = data.index(b"DICM") + 4
    head = start + 12 + int.from_bytes(data[start + 8 : start + 12], "little")
    with shelf.database.begin() as transaction:
        transaction.execute(sa.update(t.instances).values(size_bytes=len(data) - head))
    file.write_bytes(data)
    shelf.objects.put_file(key, file)
    assert faults(shelf) == [], "of another digest, which is not looked at"
    shelf.objects.replace(key, data[:-2])
    assert faults(shelf) == [Fault.ORIGINAL_CHANGED]


def test_an_original_that_was_marked_as_lost_and_is_there_is_not_swept_away(shelf: Shelf) -> None:
    of = shelf.decide(71)
    whole = shelf.objects.get(original_key(of))
    shelf.objects.delete([original_key(of)])  # as if its disk were away
    assert faults(shelf, repair=True) == [Fault.ORIGINAL_LOST]
    assert (faults(shelf), alarms(shelf)) == ([], 0)
    shelf.objects.replace(original_key(of), whole)
    later = datetime.now(UTC) + timedelta(days=3)
    upkeep.sweep_orphans(shelf.database, shelf.objects, of[:2], later)
    assert shelf.has(of) == [True]
    assert faults(shelf) == [Fault.ORIGINAL_FOUND]
    assert faults(shelf, repair=True) == [Fault.ORIGINAL_FOUND]
    assert (faults(shelf, deep=True), shelf.row(of).removed_at) == ([], None)


@pytest.mark.parametrize("kind", ["original", "result"])
def test_what_is_erased_during_the_check_is_not_lost(shelf: Shelf, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.report(shelf.decide(71), sent=True)
    name = f"check_{kind}"
    check = getattr(consistency, name)

    def erase_first(objects: ObjectStore, row: Any, *, deep: bool = True) -> Soundness:
        now = datetime.now(UTC)
        marks = {"removed_at": now, "artifacts_removed_at": now, "removal_cause": RemovalCause.ERASURE.value}
        with shelf.database.begin() as transaction:
            transaction.execute(sa.update(t.instances).values(marks))
        delete_marked(shelf.database, shelf.objects, now, 10)
        return cast("Soundness", check(objects, row, deep=deep))

    monkeypatch.setattr(consistency, name, erase_first)
    assert (faults(shelf, deep=True, repair=True), alarms(shelf)) == ([], 0)
    with shelf.database.begin() as transaction:
        assert transaction.execute(sa.select(t.instances.c.removal_cause)).scalar_one() == RemovalCause.ERASURE.value


@pytest.mark.more
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
