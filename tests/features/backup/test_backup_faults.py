"""What a backup says of objects that the node lost, and that no attempt harms the backup before it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.errors import BackupError, ResourcesError
from miqa_node.features.backup import work as backup
from miqa_node.features.backup.work.folder import MANIFEST, read_manifest
from miqa_node.runtime.store import damages
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import open_objects
from tests.features.retention.rows.test_retention import Shelf


def back_up(shelf: Shelf, folder: Path, **options: Any) -> backup.BackupSummary:
    return backup.back_up(shelf.database, shelf.objects, shelf.folder, folder, **options)


def restored(folder: Path, elsewhere: Path) -> Shelf:
    objects = open_objects("", elsewhere / "objects", 0, 1 << 20)
    backup.restore(folder, elsewhere, objects, with_database=True)
    return Shelf(Database(f"sqlite:///{elsewhere / 'miqa.sqlite'}"), objects, elsewhere)


def test_a_flipped_bit_without_a_new_time_is_found_by_a_deep_backup(shelf: Shelf, tmp_path: Path) -> None:
    of, folder = shelf.decide(1), tmp_path / "backup"
    back_up(shelf, folder)
    file = shelf.folder / "objects" / original_key(of)
    before = file.stat()
    file.write_bytes(b"x")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert back_up(shelf, folder).damaged == ()
    line = f"{original_key(of)} (the backup has a good copy)"
    assert back_up(shelf, folder, deep=True).damaged == (line,)
    assert back_up(shelf, folder).damaged == (line,)  # it is not forgotten


def test_a_copy_that_rotted_in_the_backup_is_made_anew(shelf: Shelf, tmp_path: Path) -> None:
    of, folder = shelf.decide(1), tmp_path / "backup"
    back_up(shelf, folder)
    (folder / "objects" / original_key(of)).write_bytes(b"x")
    assert list(backup.check_backup(folder)) != []
    assert back_up(shelf, folder, deep=True).copied == 1
    assert list(backup.check_backup(folder)) == []
    elsewhere = restored(folder, tmp_path / "elsewhere")
    assert elsewhere.has(of) == [True]
    elsewhere.database.close()


def test_a_folder_of_objects_that_is_not_mounted_empties_no_backup(shelf: Shelf, tmp_path: Path) -> None:
    numbers, folder = [shelf.decide(number) for number in range(3)], tmp_path / "backup"
    back_up(shelf, folder)
    (shelf.folder / "objects").rename(tmp_path / "away")
    (shelf.folder / "objects").mkdir()
    made = back_up(shelf, folder)
    assert (made.objects, len(made.lost)) == (6, 6)
    elsewhere = restored(folder, tmp_path / "elsewhere")
    assert elsewhere.has(*numbers) == [True] * 3
    elsewhere.database.close()


class Failing:
    """A store of which one object cannot be read."""

    def __init__(self, objects: ObjectStore, key: str, error: Exception | None = None) -> None:
        self._objects, self._key, self._error = objects, key, error or OSError(5, "Input/output error")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def chunks(self, key: str) -> Iterator[bytes]:
        if key == self._key:
            raise self._error
        yield from self._objects.chunks(key)


def test_an_object_that_cannot_be_read_keeps_no_other_from_the_backup(shelf: Shelf, tmp_path: Path) -> None:
    of, other, folder = shelf.decide(1), shelf.decide(2), tmp_path / "backup"
    objects: Any = Failing(shelf.objects, original_key(of))
    made = backup.back_up(shelf.database, objects, shelf.folder, folder)
    assert (made.unreadable, made.lost, made.damaged) == ((original_key(of),), (), ())
    assert list(backup.check_backup(folder)) == []
    assert backup.lacking(folder) == [f"unreadable {original_key(of)}"]
    with shelf.database.begin() as transaction:
        assert list(damages.alarm(transaction)) == [], "what cannot be read now is not damaged"
    elsewhere = restored(folder, tmp_path / "elsewhere")
    assert elsewhere.has(of, other) == [False, True]
    elsewhere.database.close()

    assert back_up(shelf, folder).unreadable == ()
    made = backup.back_up(shelf.database, objects, shelf.folder, folder, deep=True)
    assert made.unreadable == (f"{original_key(of)} (the backup has a good copy)",)
    elsewhere = restored(folder, tmp_path / "once more")
    assert elsewhere.has(of, other) == [True, True]
    elsewhere.database.close()


def test_a_bucket_that_refuses_one_object_is_backed_up_and_one_that_is_away_is_not(
    shelf: Shelf, tmp_path: Path
) -> None:
    of, folder = shelf.decide(1), tmp_path / "backup"
    objects: Any = Failing(shelf.objects, original_key(of), ResourcesError("The object store does not answer."))
    assert backup.back_up(shelf.database, objects, shelf.folder, folder).unreadable == (original_key(of),)
    before = (folder / MANIFEST).read_bytes()
    shutil.rmtree(shelf.folder / "objects")
    with pytest.raises(ResourcesError):
        back_up(shelf, folder)
    assert (folder / MANIFEST).read_bytes() == before


def test_a_damaged_database_replaces_no_backup(shelf: Shelf, tmp_path: Path) -> None:
    shelf.decide(1)
    folder = tmp_path / "backup"
    back_up(shelf, folder)
    before = (folder / MANIFEST).read_bytes()
    file = shelf.folder / "miqa.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'audit_log' OR type = 'index' LIMIT 1"
        )
        number, size = page.fetchone()[0], connection.execute("PRAGMA page_size").fetchone()[0]
    with file.open("r+b") as pages:
        pages.seek((number - 1) * size)
        pages.write(b"\xff" * size)
    with pytest.raises(BackupError, match="damaged"):
        back_up(shelf, folder)
    assert (folder / MANIFEST).read_bytes() == before
    assert list(backup.check_backup(folder)) == []


def to_old_layout(folder: Path) -> None:
    """As versions up to da5d345c wrote it."""
    entries = []
    for entry in read_manifest(folder):
        (folder / entry.name).parent.mkdir(exist_ok=True)
        (folder / entry.file).rename(folder / entry.name)
        entries.append({"file": entry.name, "size_bytes": entry.size_bytes, "sha256": entry.sha256})
    shutil.rmtree(folder / "generations")
    for name in (".writer.lock", ".reader.lock"):
        (folder / name).unlink()
    (folder / MANIFEST).write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_backup_of_an_earlier_version_is_used_and_renewed(shelf: Shelf, tmp_path: Path) -> None:
    of, folder = shelf.decide(1), tmp_path / "backup"
    (shelf.folder / "signing.key").write_text("secret")
    back_up(shelf, folder)
    to_old_layout(folder)
    assert list(backup.check_backup(folder)) == []
    restored(folder, tmp_path / "before").database.close()
    shelf.decide(2)
    assert back_up(shelf, folder).copied == 2
    assert list(backup.check_backup(folder)) == []
    assert not (folder / "miqa.sqlite").exists()
    assert not (folder / "files").exists()
    modes = {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}
    assert modes == {0o600, 0o700}
    elsewhere = restored(folder, tmp_path / "after")
    assert elsewhere.has(of) == [True]
    assert (tmp_path / "after" / "signing.key").read_text() == "secret"
    elsewhere.database.close()


def test_other_things_in_the_folder_are_left_alone_and_a_node_is_no_backup(shelf: Shelf, tmp_path: Path) -> None:
    shelf.decide(1)
    with pytest.raises(BackupError, match="choose an empty folder"):
        back_up(shelf, shelf.folder)
    folder = tmp_path / "backup"
    folder.mkdir(mode=0o755)
    (folder / "miqa.dump").write_text("of PostgreSQL")
    for _ in range(2):
        back_up(shelf, folder)
    assert (folder / "miqa.dump").read_text() == "of PostgreSQL"
    assert folder.stat().st_mode & 0o777 == 0o755
    own = [path for path in folder.iterdir() if path.name != "miqa.dump"]
    assert {path.stat().st_mode & 0o077 for path in own} == {0}


def test_one_backup_at_a_time_and_who_reads_keeps_what_it_reads(shelf: Shelf, tmp_path: Path) -> None:
    shelf.decide(1)
    folder = tmp_path / "backup"
    back_up(shelf, folder)
    with (folder / ".writer.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="is running"):
            back_up(shelf, folder)
        assert list(backup.check_backup(folder)) == []
    assert (back_up(shelf, folder).copied, back_up(shelf, folder).copied) == (0, 0)


def test_a_manifest_that_leads_out_of_the_folder_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    shelf.decide(1)
    folder = tmp_path / "backup"
    back_up(shelf, folder)
    with (folder / MANIFEST).open("a") as manifest:
        manifest.write(json.dumps({"file": "files/../../signing.key", "size_bytes": 0, "sha256": ""}) + "\n")
    with pytest.raises(BackupError, match="outside"):
        restored(folder, tmp_path / "elsewhere")


def test_the_next_attempt_goes_on_with_what_the_last_one_copied(shelf: Shelf, tmp_path: Path) -> None:
    for number in range(3):
        shelf.decide(number)
    folder = tmp_path / "backup"
    back_up(shelf, folder)
    (folder / MANIFEST).unlink()  # as if it had been killed just before
    made = back_up(shelf, folder)
    assert (made.objects, made.copied) == (6, 3)  # the previews, of which no digest is known
    assert list(backup.check_backup(folder)) == []
