"""Makes a backup: the database at one moment, then every object that its rows refer to, then the node's own files."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.errors import BackupError, ResourcesError
from miqa_node.features.backup.work.copying import copy_file, describe_file, integrity_of
from miqa_node.features.backup.work.folder import DATABASE, FILES, OBJECTS, BackupFolder, ManifestEntry, writing
from miqa_node.features.backup.work.objects import ObjectCopies
from miqa_node.runtime.people import second_factors
from miqa_node.runtime.store.database import Database

KEPT_FILES = ("pseudonym.key", "signing.key", second_factors.KEY_FILE, "destinations.toml")
"""Files of the data directory."""
KEPT_FOLDERS = ("calibration", "anomaly", "erasures")
"""Folders of it: what a site's own images taught, by package, without which a restored node would judge differently,
and proofs of erasures: those that its database does not know it does again."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)  # the file of its write-ahead log's index, too


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """The content of a backup, the number of objects copied this time, and what the node lost, damaged or cannot read.

    A line of these is the key of an object, and whether the backup still has an earlier, good copy.
    """

    objects: int
    size_bytes: int
    copied: int
    lost: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def faults(self) -> Mapping[str, tuple[str, ...]]:
        """What is wrong, by its word."""
        return {"lost": self.lost, "damaged": self.damaged, "unreadable": self.unreadable}


def back_up(
    database: Database, objects: ObjectStore, data_dir: Path, folder: Path, *, deep: bool = False
) -> BackupSummary:
    """Make or renew a backup. With PostgreSQL, the dump must exist already; then ``database`` is read directly.

    Objects that the backup has already are read again if their size or time differs, and all of them with ``deep``.

    Raises
    ------
    BackupError
        The database is damaged, the folder is not one of backups, or another backup into it is running.
    ResourcesError
        The backup's disk is full, or the object store does not answer.
    """
    with _explained(folder), writing(folder) as target:
        target.prepare()
        try:
            with _at_one_moment(database, target) as moment:
                copies = ObjectCopies(database, moment, objects, target, deep=deep)
                copies.take_all()
            entries = [*copies.entries, *_others(target, data_dir, with_database=database.is_sqlite)]
            target.replace(entries)
        except BaseException:
            shutil.rmtree(folder / target.generation, ignore_errors=True)  # its disk may be full; objects stay
            raise
    held = [entry for entry in entries if entry.name.startswith(f"{OBJECTS}/") and entry.has_file]
    size = sum(entry.size_bytes for entry in entries)
    faults = (tuple(lines) for lines in (copies.lost, copies.damaged, copies.unreadable))
    return BackupSummary(len(held), size, copies.copied, *faults)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Say in words what a full disk means; what SQLite says of a disk names no file."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        if getattr(error, "errno", None) in _FULL or getattr(error, "sqlite_errorcode", 0) in _SQLITE_FULL:
            raise ResourcesError(
                f"The disk of {folder} is full. Nothing of the last backup was changed; free some space, and repeat it."
            ) from error
        if isinstance(error, sqlite3.Error):
            raise ResourcesError(f"The database could not be copied to {folder}: {error}.") from error
        raise


@contextmanager
def _at_one_moment(database: Database, target: BackupFolder) -> Iterator[Database]:
    """A copy of the database, which changes no more; that of PostgreSQL is in its dump, and it is read itself."""
    if not database.is_sqlite:
        yield database
        return
    file = target.place(DATABASE)
    file.touch(0o600)
    with closing(sqlite3.connect(database.url.database or "")) as live, closing(sqlite3.connect(file)) as copy:
        live.backup(copy)  # one consistent state during concurrent writes
        copy.execute("PRAGMA journal_mode=DELETE")
    if (state := integrity_of(file)) != "ok":
        raise BackupError(f"The database is damaged ({state}). The last backup stays as it is: restore it.")
    moment = Database(f"sqlite:///{file.absolute()}", pool_size=1)
    try:
        yield moment
    finally:
        moment.close()
    with closing(sqlite3.connect(file)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")  # leaves a single file
    with file.open("rb") as written:
        os.fsync(written.fileno())


def _others(target: BackupFolder, data_dir: Path, *, with_database: bool) -> Iterator[ManifestEntry]:
    for path in _kept_files(data_dir):
        name = f"{FILES}/{path.relative_to(data_dir).as_posix()}"
        place = target.place(name)
        yield ManifestEntry(target.name_of(place), *copy_file(path, place))
    if with_database:
        place = target.place(DATABASE)
        yield ManifestEntry(target.name_of(place), *describe_file(place))


def _kept_files(data_dir: Path) -> Iterator[Path]:
    yield from (path for name in KEPT_FILES if (path := data_dir / name).is_file())
    for name in KEPT_FOLDERS:
        yield from sorted(path for path in (data_dir / name).rglob("*") if path.is_file())
