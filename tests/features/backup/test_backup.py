"""Backups of a store that goes on working, their restoration elsewhere, and the check that everything agrees."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.errors import BackupError
from miqa_node.features.backup import work as backup
from miqa_node.features.backup.rows import Check, Inconsistency
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.stages.units.rows import instances
from tests.features.retention.rows.test_retention import LATER, Shelf
from tests.runtime.store.making import NOW


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
