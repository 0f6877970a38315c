# ruff: noqa: F401 - fixtures of the quick suite are imported by name
"""Backups of a store that goes on working, their restoration elsewhere, and the check that everything agrees."""

from __future__ import annotations

import os
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
from tests.features.backup.test_backup import check
from tests.features.retention.rows.test_retention import LATER, Shelf
from tests.runtime.store.making import NOW, digest


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


def test_orphans_are_named_before_they_are_removed(shelf: Shelf) -> None:
    orphan = shelf.objects
    key, old = original_key(digest("lost")), (datetime.now(UTC) - timedelta(days=2)).timestamp()
    orphan.put(key, b"x")
    os.utime(shelf.folder / "objects" / key, (old, old))
    assert [(one.fault, one.repaired) for one in check(shelf)] == [(Fault.ORPHAN, False)]
    assert orphan.exists(key)
    assert [(one.fault, one.repaired) for one in check(shelf, repair=True)] == [(Fault.ORPHAN, True)]
    assert not orphan.exists(key)
