"""What a backup says of objects that the node lost, and that no attempt harms the backup before it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.errors import BackupError, ResourcesError
from miqa_node.features.backup import work as backup
from miqa_node.features.backup.rows import Fault
from miqa_node.features.backup.work.folder import MANIFEST
from miqa_node.interfaces.cli.app import run
from miqa_node.runtime.store import damages
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key, preview_key
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.store.verification import Soundness
from miqa_node.runtime.work.queue import migrate_queue
from tests.features.backup.test_backup import check
from tests.features.retention.rows.test_retention import Shelf

HARMS: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "flipped": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
}


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


@pytest.mark.more
@pytest.mark.parametrize("in_last_backup", [True, False])
def test_what_the_node_lost_is_said_and_does_not_replace_a_good_copy(
    shelf: Shelf, tmp_path: Path, in_last_backup: bool
) -> None:
    """Each harm to an original, to a result and to a preview, of another image each."""
    folder, good = tmp_path / "backup", {}
    for number, harm in enumerate(HARMS):
        of = shelf.decide(100 + number)
        report = shelf.report(shelf.decide(200 + number), sent=True).object_key
        good[original_key(of), harm] = good[report, harm] = good[preview_key(shelf.decide(300 + number)), harm] = b""
    with shelf.database.begin() as transaction:
        transaction.execute(sa.update(t.results).values(size_bytes=6, sha256=hashlib.sha256(b"report").hexdigest()))
    good = {(key, harm): shelf.objects.get(key) for key, harm in good}
    if in_last_backup:
        back_up(shelf, folder)
    for key, harm in good:
        HARMS[harm](shelf.folder / "objects" / key)
    other = shelf.decide(400)  # arrives meanwhile

    made = back_up(shelf, folder)
    # Of a preview without a copy nobody knows how it was.
    plain = [(key, harm) for key, harm in good if in_last_backup or "previews" not in key or harm == "emptied"]
    lost, damaged = ([key for key, harm in plain if (harm == "deleted") == gone] for gone in (True, False))
    words = " (the backup has a good copy)" if in_last_backup else ""
    assert sorted(made.lost) == sorted(f"{key}{words}" for key in lost)
    assert sorted(made.damaged) == sorted(f"{key}{words}" for key in damaged)
    again = back_up(shelf, folder)
    assert (again.lost, again.damaged, again.copied) == (made.lost, made.damaged, 0)
    assert list(backup.check_backup(folder)) == []
    lacks = [f"lost {key}" for key in lost] + [f"damaged {key}" for key in damaged]
    assert sorted(backup.lacking(folder)) == ([] if in_last_backup else sorted(lacks))
    with shelf.database.begin() as transaction:
        states = damages.among(transaction, [key for key, _ in good])
    assert states == {
        key: Soundness.LOST if key in lost else Soundness.DAMAGED for key, _ in plain if "previews" not in key
    }

    elsewhere = restored(folder, tmp_path / "elsewhere")
    assert elsewhere.has(other) == [True]
    if in_last_backup:
        assert {key: elsewhere.objects.get(key) for key, _ in good} == {key: data for (key, _), data in good.items()}
        assert check(elsewhere) == []
    else:  # none of them is called removed
        faults = {(one.fault, one.what) for one in check(elsewhere)}
        assert {what for fault, what in faults if fault is Fault.ORIGINAL_LOST} == {
            Path(key).stem for key in lost if "instances" in key
        }
    elsewhere.database.close()


@pytest.mark.more
def test_the_commands_say_what_is_lost(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    migrate_queue(shelf.database)
    of, where = shelf.decide(1), ["--data-dir", str(shelf.folder)]
    shelf.decide(2)
    folder = str(tmp_path / "backup")
    (shelf.folder / "objects" / original_key(of)).unlink()
    assert run(["backup", folder, *where]) == 1
    assert f"lost {original_key(of)}\n" in capsys.readouterr().out
    assert run(["backup", folder, "--json", *where]) == 1
    assert json.loads(capsys.readouterr().out)["lost"] == [original_key(of)]
    assert run(["restore", folder, "--verify"]) == 1
    assert f"not in the backup, because the node had lost {original_key(of)}" in capsys.readouterr().out
    assert run(["restore", folder, "--data-dir", str(tmp_path / "elsewhere")]) == 0
    assert f"not restored, because the node had lost {original_key(of)}" in capsys.readouterr().out
    assert run(["fsck", "--data-dir", str(tmp_path / "elsewhere")]) == 1
