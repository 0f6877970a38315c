"""Backups of a store that goes on working, their restoration elsewhere, and the check that everything agrees."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.errors import BackupError
from miqa_node.features.backup import work as backup
from miqa_node.features.backup.rows import Check, Fault, Inconsistency
from miqa_node.interfaces.cli.app import run
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key, preview_key
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances, removal
from tests.features.retention.rows.test_retention import LATER, Shelf
from tests.runtime.store.making import NOW, digest


def check(shelf: Shelf, *, repair: bool = False, calls: list[str] | None = None) -> list[Inconsistency]:
    def begin(_transaction: sa.Connection, of: InstanceDigest) -> None:
        if calls is not None:
            calls.append(of)

    now = datetime.now(UTC)
    check = Check(shelf.database, shelf.objects, frozenset, frozenset({"PACS"}), begin, now)
    return list(check.run(repair=repair))


def test_a_backup_restored_elsewhere_is_the_same_node(shelf: Shelf, tmp_path: Path) -> None:
    numbers = [shelf.decide(number) for number in range(3)]
    result = shelf.report(numbers[0], sent=True)
    (shelf.folder / "signing.key").write_text("secret")
    (shelf.folder / "signing.key").chmod(0o600)
    for name in ("calibration/quality-0.9.3.yaml", "anomaly/quality-0.9.3.json"):
        (shelf.folder / name).parent.mkdir()
        (shelf.folder / name).write_text(f"of this site: {name}")
    folder = tmp_path / "backup"
    first = backup.back_up(shelf.database, shelf.objects, shelf.folder, folder)
    assert (first.objects, first.copied) == (7, 7)  # 3 originals, 3 previews, a report
    shelf.decide(9)
    shelf.remove_old(NOW)  # nothing is due
    second = backup.back_up(shelf.database, shelf.objects, shelf.folder, folder)
    assert (second.objects, second.copied) == (9, 2)
    assert list(backup.check_backup(folder)) == []

    elsewhere = tmp_path / "elsewhere"
    objects = open_objects("", elsewhere / "objects", 0, 1 << 20)
    assert backup.restore(folder, elsewhere, objects, with_database=True) == 9
    database = Database(f"sqlite:///{elsewhere / 'miqa.sqlite'}")
    database.check()
    restored = Shelf(database, objects, elsewhere)
    assert check(restored) == []
    assert objects.get(result.object_key) == b"report"
    assert restored.has(*numbers) == [True] * 3
    assert (elsewhere / "signing.key").stat().st_mode & 0o777 == 0o600
    for name in ("calibration/quality-0.9.3.yaml", "anomaly/quality-0.9.3.json"):
        assert (elsewhere / name).read_text() == f"of this site: {name}"
    with shelf.database.begin() as old, database.begin() as new:
        assert instances.count(old) == instances.count(new)
    with pytest.raises(BackupError, match="empty data directory"):
        backup.restore(folder, elsewhere, objects, with_database=True)
    database.close()


@pytest.mark.parametrize("ending", ["-wal", "-journal"])
def test_the_log_of_a_former_database_does_not_enter_the_restored_one(
    shelf: Shelf, tmp_path: Path, ending: str
) -> None:
    shelf.decide(1)
    folder, elsewhere = tmp_path / "backup", tmp_path / "elsewhere"
    backup.back_up(shelf.database, shelf.objects, shelf.folder, folder)
    shelf.decide(2)
    elsewhere.mkdir()
    shutil.copy(shelf.folder / "miqa.sqlite-wal", elsewhere / f"miqa.sqlite{ending}")
    objects = open_objects("", elsewhere / "objects", 0, 1 << 20)
    with pytest.raises(BackupError, match=f"miqa.sqlite{ending} exists; restore into an empty data directory"):
        backup.restore(folder, elsewhere, objects, with_database=True)


def test_what_was_removed_or_erased_leaves_the_next_backup(shelf: Shelf, tmp_path: Path) -> None:
    of = shelf.decide(1)
    folder = tmp_path / "backup"
    backup.back_up(shelf.database, shelf.objects, shelf.folder, folder)
    assert (folder / "objects" / original_key(of)).is_file()
    shelf.remove_old(LATER)
    backup.back_up(shelf.database, shelf.objects, shelf.folder, folder)
    assert not (folder / "objects" / original_key(of)).exists()
    assert list(backup.check_backup(folder)) == []


def test_a_changed_or_incomplete_backup_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    of, other = shelf.decide(1), shelf.decide(2)
    folder = tmp_path / "backup"
    with pytest.raises(BackupError, match="not a complete backup"):
        list(backup.check_backup(folder))
    backup.back_up(shelf.database, shelf.objects, shelf.folder, folder)
    (folder / "objects" / original_key(of)).write_bytes(b"other")
    (folder / "objects" / original_key(other)).unlink()
    assert sorted(backup.check_backup(folder)) == sorted(
        [f"objects/{original_key(of)} was changed", f"objects/{original_key(other)} is missing"]
    )
    with pytest.raises(BackupError, match=r"changed|missing"):
        backup.restore(folder, tmp_path / "e", open_objects("", tmp_path / "e/objects", 0, 1), with_database=True)
    assert not (tmp_path / "e" / "miqa.sqlite").exists()


def test_the_digest_is_that_of_the_data_set(samples: Path) -> None:
    import hashlib

    import pydicom

    file = samples / "RG1_UNCR.dcm"
    ds = pydicom.dcmread(file)
    data = file.read_bytes()
    start = 128 + 4 + 12 + ds.file_meta.FileMetaInformationGroupLength
    assert data_set_digest(file) == hashlib.sha256(data[start:]).hexdigest()


@pytest.mark.more
def test_what_does_not_agree_is_named_and_repaired_where_that_loses_nothing(shelf: Shelf) -> None:
    lost, removed, fine = shelf.decide(1), shelf.decide(2), shelf.decide(3)
    report = shelf.report(fine, sent=False)
    waiting = shelf.arrive(4)
    assert [one.fault for one in check(shelf)] == [Fault.NO_WORK]  # received long ago, no verdict, no job
    shelf.objects.delete([original_key(lost), report.object_key])
    with shelf.database.begin() as transaction:
        row = sa.update(t.instances).where(t.instances.c.digest == removed)
        transaction.execute(row.values(removed_at=NOW, deleted_at=NOW, removal_cause="age"))
        for uid, gone in (("2.25.7", "GONE"), ("2.25.8", "GONE"), ("2.25.9", "AWAY")):
            other = ResultObject(uid, "1.2.3", ResultKind("SR"), "")
            deliveries.record_result(transaction, fine, other, NOW)
            deliveries.queue(transaction, other, gone, NOW)
    expected = {
        (Fault.ORIGINAL_LOST, lost), (Fault.NOT_DELETED, original_key(removed)),
        (Fault.RESULT_LOST, report.sop_instance_uid), (Fault.NO_WORK, waiting),
    }  # fmt: skip
    faults = check(shelf)
    assert {(one.fault, one.what) for one in faults if one.fault is not Fault.UNDELIVERABLE} == expected
    assert [one.what for one in faults if one.fault is Fault.UNDELIVERABLE] == [
        "1 delivery waits for AWAY, which is not a destination",
        "2 deliveries wait for GONE, which is not a destination",
    ]
    assert not any(one.repaired for one in faults)
    calls: list[str] = []
    repaired = {one.fault for one in check(shelf, repair=True, calls=calls) if one.repaired}
    assert repaired == {Fault.ORIGINAL_LOST, Fault.NOT_DELETED, Fault.NO_WORK}
    assert (calls, shelf.has(removed)) == ([waiting], [False])
    with shelf.database.begin() as transaction:
        removal = instances.load(transaction, lost).removal
    assert removal is not None
    assert "is missing" in removal.sentence
    shelf.arrive(1)  # sent again, it is kept again
    assert shelf.has(lost) == [True]


@pytest.mark.more
def test_the_commands(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from miqa_node.runtime.work.queue import migrate_queue

    migrate_queue(shelf.database)
    of, where = shelf.decide(1), ["--data-dir", str(shelf.folder)]
    folder, elsewhere = str(tmp_path / "backup"), str(tmp_path / "elsewhere")
    assert run(["fsck", *where]) == 0
    assert run(["backup", folder, *where]) == 0
    assert run(["restore", folder, "--verify"]) == 0
    assert run(["restore", folder, "--data-dir", elsewhere]) == 0
    assert run(["fsck", "--data-dir", elsewhere]) == 0
    assert run(["restore", folder, "--data-dir", elsewhere]) == 1
    (tmp_path / "elsewhere/objects" / original_key(of)).unlink()
    assert run(["fsck", "--data-dir", elsewhere]) == 1
    assert f"original lost {of}" in capsys.readouterr().out
    assert run(["fsck", "--repair", "--data-dir", elsewhere]) == 0
    assert run(["fsck", "--data-dir", elsewhere]) == 0
    assert shelf.objects.exists(preview_key(of))


class Removing:
    """A store from which retention removes originals when they are read for the first time."""

    def __init__(self, shelf: Shelf, *digests: InstanceDigest) -> None:
        self._shelf, self._digests = shelf, digests

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shelf.objects, name)

    def chunks(self, key: str) -> Iterator[bytes]:
        if self._digests:
            digests, self._digests = self._digests, ()
            with self._shelf.database.begin() as transaction:
                row = sa.update(t.instances).where(t.instances.c.digest.in_(digests))
                transaction.execute(row.values(removed_at=NOW, removal_cause="space"))
            removal.delete_marked(self._shelf.database, self._shelf.objects, NOW, 10)
        return self._shelf.objects.chunks(key)


@pytest.mark.more
def test_what_retention_removes_during_a_backup_is_no_fault_of_it(shelf: Shelf, tmp_path: Path) -> None:
    of, other = shelf.decide(1), shelf.decide(2)
    folder, elsewhere = tmp_path / "backup", tmp_path / "elsewhere"
    made = backup.back_up(shelf.database, Removing(shelf, of), shelf.folder, folder)
    assert (made.lost, made.damaged) == ((), ())
    assert list(backup.check_backup(folder)) == []
    objects = open_objects("", elsewhere / "objects", 0, 1 << 20)
    backup.restore(folder, elsewhere, objects, with_database=True)
    restored = Shelf(Database(f"sqlite:///{elsewhere / 'miqa.sqlite'}"), objects, elsewhere)
    assert check(restored) == []
    assert restored.has(of, other) == [False, True]
    assert restored.row(of).removal_cause == "space"
    restored.database.close()


@pytest.mark.more
def test_orphans_are_named_before_they_are_removed(shelf: Shelf) -> None:
    orphan = shelf.objects
    key, old = original_key(digest("lost")), (datetime.now(UTC) - timedelta(days=2)).timestamp()
    orphan.put(key, b"x")
    os.utime(shelf.folder / "objects" / key, (old, old))
    assert [(one.fault, one.repaired) for one in check(shelf)] == [(Fault.ORPHAN, False)]
    assert orphan.exists(key)
    assert [(one.fault, one.repaired) for one in check(shelf, repair=True)] == [(Fault.ORPHAN, True)]
    assert not orphan.exists(key)
