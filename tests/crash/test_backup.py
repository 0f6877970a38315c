"""A backup that is killed, or whose disk is full: the folder holds the last state or the new one, whole at any time."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from miqa_node.features.backup import work as backup
from miqa_node.features.backup.work.folder import MANIFEST, read_manifest
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.runtime.work.queue import migrate_queue
from tests.features.retention.rows.test_retention import LATER, Shelf, shelf_of_a_node
from tests.runtime.store.making import digest
from tests.waiting import delay, wait_until

KILLS = 20
IMAGES = 60

pytestmark = [pytest.mark.timeout(1800)]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with shelf_of_a_node(tmp_path / "data") as made:
        migrate_queue(made.database)
        (made.folder / "signing.key").write_text("secret")
        yield made


@pytest.mark.long
def test_twenty_kills_during_backups_into_one_folder(shelf: Shelf, tmp_path: Path) -> None:
    """Each time images have gone, others have come, and the folder is open to others, as administrators make it."""
    folder = tmp_path / "backup"
    folder.mkdir(mode=0o755)
    for number in range(IMAGES):
        shelf.decide(number)
    process = _start(shelf, folder)
    _until_it_works(process, folder)
    started = time.monotonic()
    assert process.wait() == 0
    work_s = time.monotonic() - started
    state, killed = _images(folder, tmp_path), 0
    for attempt in range(10 * KILLS):
        if killed == KILLS:
            break
        shelf.decide(1000 + attempt)
        shelf.remove_old(LATER) if attempt % 7 == 6 else None
        new = _rows(shelf.database)
        process = _start(shelf, folder)
        _until_it_works(process, folder)
        delay(work_s * random.uniform(0.0, 1.0))
        process.kill()
        killed += process.wait() < 0
        held = _images(folder, tmp_path)
        assert held in (state, new)
        assert _modes(folder) <= {0o600, 0o700}
        state = held
    assert killed == KILLS
    assert _start(shelf, folder).wait() == 0
    assert _images(folder, tmp_path) == new
    assert _names_on_disk(folder) == {entry.file for entry in read_manifest(folder)}


def test_every_instant_of_a_backup(shelf: Shelf, tmp_path: Path) -> None:
    folder, scratch = tmp_path / "backup", tmp_path / "scratch"
    scratch.mkdir()
    for number in range(2):
        shelf.decide(number)
    backup.back_up(shelf.database, shelf.objects, shelf.folder, folder)
    old = sorted(entry.name for entry in read_manifest(folder))
    shelf.remove_old(LATER)
    shelf.decide(7)
    arguments = [sys.executable, "-m", "tests.crash.backup_instants", *map(str, (shelf.folder, folder, scratch))]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True)
    instants = [json.loads(line) for line in done.stdout.splitlines()]
    new = instants[-1]["names"]
    assert new != old
    assert instants[-1]["ended"] == 0
    assert len(instants) > 20
    assert [one for one in instants if one["faults"]] == []
    assert [one for one in instants if one["names"] not in (old, new)] == []
    assert {tuple(one["names"]) for one in instants} == {tuple(old), tuple(new)}
    assert {one["files"] for one in instants if one["files"] is not None} == {len(new) + 3}  # manifest and two locks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk for backups of its own."""
    folder = tmp_path / "backups"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("free_kib", [0, 40, 400, 1200, 1500])
def test_a_full_backup_disk(shelf: Shelf, tmp_path: Path, small_disk: Path, free_kib: int) -> None:
    """Full at once, while the database is copied, or while objects are: the last backup is restored from it."""
    folder = small_disk / "miqa"
    for number in range(4):
        shelf.decide(number)
    assert _start(shelf, folder).wait() == 0
    state = _images(folder, tmp_path)
    for number in range(100, 100 + IMAGES):
        shelf.decide(number)
    for number in range(100, 100 + IMAGES):
        file = shelf.folder / "objects" / original_key(digest(number))
        with shelf.database.begin() as transaction:
            content = b"%d" % number + bytes(100_000)
            row = sa.update(t.instances).where(t.instances.c.digest == digest(number))
            transaction.execute(row.values(copy_digest=hashlib.sha256(content).hexdigest()))
        file.write_bytes(content)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as filler:
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        filler.write(bytes(max(0, free - free_kib * 1024)))
    process = _start(shelf, folder, stderr=subprocess.PIPE)
    words = process.communicate()[1]
    assert (process.returncode, "is full" in words or "No space left" in words) == (5, True), words
    assert len(words.splitlines()) == 1
    assert _images(folder, tmp_path) == state
    ballast.unlink()
    assert subprocess.run(["mount", "-o", "remount,size=32m", small_disk], check=True).returncode == 0
    assert _start(shelf, folder).wait() == 0
    assert _images(folder, tmp_path) == _rows(shelf.database)


def _start(shelf: Shelf, folder: Path, stderr: int | None = None) -> subprocess.Popen[str]:
    arguments = [
        sys.executable,
        "-m",
        "miqa_node.interfaces.cli",
        "backup",
        str(folder),
        "--data-dir",
        str(shelf.folder),
    ]
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=stderr, text=True, umask=0)


def _images(folder: Path, tmp_path: Path) -> set[str]:
    """The images of the state that a backup holds, which verifies and is restored with every original."""
    assert list(backup.check_backup(folder)) == []
    elsewhere = tmp_path / "elsewhere"
    objects = open_objects("", elsewhere / "objects", 0, 1 << 20)
    backup.restore(folder, elsewhere, objects, with_database=True)
    database = Database(f"sqlite:///{elsewhere / 'miqa.sqlite'}")
    rows = _rows(database)
    database.close()
    assert (elsewhere / "signing.key").read_text() == "secret"
    assert rows == {path.stem for path in (elsewhere / "objects" / "instances").rglob("*.dcm")}
    shutil.rmtree(elsewhere)
    return rows


def _until_it_works(process: subprocess.Popen[str], folder: Path) -> None:
    before = set(folder.glob("generations/*"))
    wait_until(lambda: bool(set(folder.glob("generations/*")) - before) or process.poll() is not None, 120.0)


def _rows(database: Database) -> set[str]:
    with database.begin() as transaction:
        stored = sa.select(t.instances.c.digest).where(t.instances.c.removed_at.is_(None))
        return set(transaction.execute(stored).scalars())


def _modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}


def _names_on_disk(folder: Path) -> set[str]:
    others = {MANIFEST, ".writer.lock", ".reader.lock"}
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - others
