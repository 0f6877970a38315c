"""Storage commitment is answered from the bytes, in a folder and in a bucket: only what is sound is promised."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.object_store import ObjectStore, Soundness
from miqa_node.errors import ResourcesError
from miqa_node.runtime.store import damages, verification
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.stages.receive.rows import promises
from miqa_node.stages.receive.rows.promises import Promises
from tests.features.retention.rows.test_retention import LATER, Shelf, promise
from tests.runtime.store.making import digest, header

CLASS = header(1).sop_class_uid
Damage = Callable[[ObjectStore, str], None]


def delete(objects: ObjectStore, key: str) -> None:
    objects.delete([key])


def empty(objects: ObjectStore, key: str) -> None:
    objects.replace(key, b"")


def cut(objects: ObjectStore, key: str) -> None:
    objects.replace(key, objects.get(key)[:-1])


def flip(objects: ObjectStore, key: str) -> None:
    data = bytearray(objects.get(key))
    data[-1] ^= 1
    objects.replace(key, bytes(data))


@pytest.fixture(params=["disk", "s3"])
def shelf(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Shelf:
    url = request.getfixturevalue("bucket_url") if request.param == "s3" else ""
    return Shelf(database, open_objects(url, tmp_path / "objects", 0, 1 << 20), tmp_path)


@pytest.mark.parametrize(
    ("damage", "state"),
    [
        (delete, Soundness.LOST), (empty, Soundness.DAMAGED), (cut, Soundness.DAMAGED), (flip, Soundness.DAMAGED),
    ],
)  # fmt: skip
def test_what_is_lost_or_damaged_is_not_promised_and_is_promised_when_it_came_again(
    shelf: Shelf, damage: Damage, state: Soundness
) -> None:
    bad, good = shelf.decide(71), shelf.decide(72)
    key = original_key(bad)
    shelf.objects.local_path(key)  # a bucket has a copy here, which is sound
    damage(shelf.objects, key)
    standing = promise(shelf, "1.2.3.71", "1.2.3.72", "9.9.9")
    assert standing == {(CLASS, "1.2.3.71"): state, (CLASS, "1.2.3.72"): Soundness.SOUND}
    with shelf.database.begin() as transaction:
        assert damages.among(transaction, [key, original_key(good)]) == {key: state}
        [alarm] = damages.alarm(transaction)
        assert alarm.subject == "1 stored object is lost or damaged"
    assert [shelf.row(one).promised_at is not None for one in (bad, good)] == [False, True]

    shelf.arrive(71)
    assert promise(shelf, "1.2.3.71") == {(CLASS, "1.2.3.71"): Soundness.SOUND}
    with shelf.database.begin() as transaction:
        assert list(damages.alarm(transaction)) == []


def test_a_damage_after_the_first_promise_is_seen_by_the_next(shelf: Shelf) -> None:
    of = shelf.decide(71)
    assert set(promise(shelf, "1.2.3.71").values()) == {Soundness.SOUND}
    flip(shelf.objects, original_key(of))
    assert set(promise(shelf, "1.2.3.71").values()) == {Soundness.DAMAGED}
    assert shelf.row(of).promised_at is not None, "the earlier promise was given, so retention leaves what is there"


def test_what_was_read_lately_and_has_not_changed_is_not_read_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = shelf.decide(71)
    key, reads = original_key(of), []
    real = verification.digest_of
    monkeypatch.setattr(promises, "SETTLED", timedelta(0))

    def digest_of(*args: Any, **named: Any) -> str:
        reads.append(key)
        return real(*args, **named)

    monkeypatch.setattr(verification, "digest_of", digest_of)
    with shelf.database.begin() as transaction:  # as if it had been stored some seconds earlier
        transaction.execute(sa.update(t.instances).values(file_bytes=shelf.objects.stat(key).size_bytes))
    for ahead in (timedelta(seconds=5), timedelta(hours=-25), timedelta(0)):
        assert set(promise(shelf, "1.2.3.71").values()) == {Soundness.SOUND}
        with shelf.database.begin() as transaction:
            transaction.execute(sa.update(t.instances).values(verified_at=datetime.now(UTC) + ahead))
    assert len(reads) == 2, "the first time, and after more than a day"


def test_a_file_whose_time_was_set_back_is_read(database: Database, tmp_path: Path) -> None:
    shelf = Shelf(database, open_objects("", tmp_path / "objects", 0, 1 << 20), tmp_path)
    of = shelf.decide(71)
    file = shelf.objects.local_path(original_key(of))
    with shelf.database.begin() as transaction:
        transaction.execute(sa.update(t.instances).values(verified_at=datetime.now(UTC), file_bytes=2))
    times = file.stat()
    file.write_bytes(b"70")
    os.utime(file, (times.st_atime, times.st_mtime))
    assert set(promise(shelf, "1.2.3.71").values()) == {Soundness.DAMAGED}


def test_retention_removes_nothing_between_the_look_and_the_promise(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = shelf.decide(71)
    removals: list[int] = []
    real = verification.check

    def check(*args: Any, **named: Any) -> Soundness:
        removals.append(shelf.remove_old(LATER))
        return real(*args, **named)

    monkeypatch.setattr(verification, "check", check)
    assert promise(shelf, "1.2.3.71") == {(CLASS, "1.2.3.71"): Soundness.SOUND}
    assert (removals, shelf.has(of)) == ([0], [True])


def test_of_two_images_with_one_uid_both_must_be_sound(shelf: Shelf) -> None:
    first, second = shelf.decide(71), shelf.decide(72)
    with shelf.database.begin() as transaction:
        one = t.instances.c.digest == second
        transaction.execute(sa.update(t.instances).where(one).values(sop_instance_uid="1.2.3.71"))
    assert promise(shelf, "1.2.3.71") == {(CLASS, "1.2.3.71"): Soundness.SOUND}
    for bad in (first, second):
        flip(shelf.objects, original_key(bad))
        assert promise(shelf, "1.2.3.71") == {(CLASS, "1.2.3.71"): Soundness.DAMAGED}
        flip(shelf.objects, original_key(bad))


def test_what_cannot_be_read_is_asked_again_and_fails_in_the_end(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(database, open_objects("", tmp_path / "objects", 0, 1 << 20), tmp_path)
    shelf.decide(71)

    def fail(key: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shelf.objects, "chunks", fail)
    with pytest.raises(ResourcesError, match="Input/output error"):
        promise(shelf, "1.2.3.71")
    *_, standing = Promises(shelf.database, shelf.objects).make(["1.2.3.71"], patient=False)
    assert standing == {(CLASS, "1.2.3.71"): Soundness.DAMAGED}
    with shelf.database.begin() as transaction:
        assert list(damages.alarm(transaction)) == [], "nothing is known about the object"


def test_many_objects_are_promised_in_groups(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promises, "BATCH", 4)
    monkeypatch.setattr(promises, "GROUP_BYTES", 4)
    shelf = Shelf(database, open_objects("", tmp_path / "objects", 0, 1 << 20), tmp_path)
    numbers = range(70, 80)
    for number in numbers:
        shelf.arrive(number)
    flip(shelf.objects, original_key(digest(75)))
    uids = [f"1.2.3.{number}" for number in numbers]
    sizes = [len(standing) for standing in Promises(shelf.database, shelf.objects).make(uids, patient=True)]
    assert sizes == [2, 4, 6, 8, 10]
    standing = promise(shelf, *uids)
    assert {uid for (_, uid), state in standing.items() if state is not Soundness.SOUND} == {"1.2.3.75"}
