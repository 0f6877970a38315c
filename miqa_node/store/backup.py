"""Backups of a running node: the database at one moment, then every file that its rows refer to.

A backup is a folder: ``miqa.sqlite``, ``objects/``, ``files/`` (keys, destinations, what the site's images taught) and
``manifest.jsonl``, which is written last and lists each file with its SHA-256. A second backup into the same folder
copies only what is new.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from miqa_node.domain.ports import ObjectStore
from miqa_node.domain.retention import RemovalCause
from miqa_node.errors import BackupError, NotFoundError
from miqa_node.store import second_factors
from miqa_node.store import tables as t
from miqa_node.store.database import Database
from miqa_node.whole_file import write_whole

DATABASE, OBJECTS, FILES, MANIFEST = "miqa.sqlite", "objects", "files", "manifest.jsonl"
KEPT_FILES = ("pseudonym.key", "signing.key", second_factors.KEY_FILE, "destinations.toml")
"""Files of the data directory."""
KEPT_FOLDERS = ("calibration", "anomaly")
"""Folders of it: what a site's own images taught, by package. Without them a restored node would judge differently."""

CHUNK_BYTES = 1 << 20
BATCH = 500


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """The content of a backup, and the number of objects copied this time."""

    objects: int
    size_bytes: int
    copied: int


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file of a backup: path below its folder, size and SHA-256."""

    file: str
    size_bytes: int
    sha256: str


def back_up(database: Database, objects: ObjectStore, data_dir: Path, folder: Path) -> BackupSummary:
    """Make or renew a backup. With PostgreSQL, the dump must exist already; then ``database`` is read directly."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    manifest = {entry.file: entry for entry in (_read_manifest(folder) if (folder / MANIFEST).is_file() else ())}
    source = database
    if database.is_sqlite:
        _copy_database(Path(database.url.database or ""), folder / DATABASE)
        source = Database(f"sqlite:///{(folder / DATABASE).absolute()}", pool_size=1)
    try:
        entries, copied = _copy_objects(source, objects, folder, manifest, is_copy=source is not database)
    finally:
        if source is not database:
            _settle(source)
    listed = {entry.file for entry in entries}
    for path in (folder / OBJECTS).rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in listed:
            path.unlink()  # removed or erased since the last backup
    others = [folder / DATABASE] if database.is_sqlite else []
    for source_file in _kept_files(data_dir):
        others.append(folder / FILES / source_file.relative_to(data_dir))
        others[-1].parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source_file, others[-1])
    entries += [_entry_of(path.relative_to(folder).as_posix(), *_digest_of(path)) for path in others]
    _write_manifest(folder, entries)
    return BackupSummary(len(listed), sum(entry.size_bytes for entry in entries), copied)


def _kept_files(data_dir: Path) -> Iterator[Path]:
    yield from (path for name in KEPT_FILES if (path := data_dir / name).is_file())
    for name in KEPT_FOLDERS:
        yield from sorted(path for path in (data_dir / name).rglob("*") if path.is_file())


def check_backup(folder: Path) -> Iterator[str]:
    """The faults of a backup: missing or changed files, a damaged database."""
    for entry in _read_manifest(folder):
        path = folder / entry.file
        if not path.is_file():
            yield f"{entry.file} is missing"
        elif _digest_of(path)[0] != entry.sha256:
            yield f"{entry.file} was changed"
    file = folder / DATABASE
    if file.is_file():
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            state = connection.execute("PRAGMA integrity_check").fetchone()[0]
        if state != "ok":
            yield f"{DATABASE}: {state}"


def restore(folder: Path, data_dir: Path, objects: ObjectStore, *, with_database: bool) -> int:
    """Restore a backup to an empty data directory and object store, verifying each file; returns the number of objects.

    Raises
    ------
    BackupError
        There is already a database, or a file of the backup is missing or changed.
    """
    target = data_dir / DATABASE
    if with_database and target.exists():
        raise BackupError(f"{target} exists; restore into an empty data directory.")
    entries = _read_manifest(folder)
    incoming, count = data_dir / "incoming", 0
    incoming.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        place, _, name = entry.file.partition("/")
        if place == OBJECTS:
            part = incoming / f"{count}.restore"
            _copy_checked(folder / OBJECTS / name, part, entry.sha256)
            objects.put_file(name, part)
            count += 1
        elif place == FILES:
            (data_dir / name).parent.mkdir(parents=True, exist_ok=True)
            _copy_checked(folder / FILES / name, data_dir / name, entry.sha256)
    if with_database:  # last: an interrupted restore can be repeated
        digests = {entry.file: entry.sha256 for entry in entries}
        if DATABASE not in digests:
            raise BackupError("The backup holds no database: it is of a node on PostgreSQL. Restore its dump first.")
        part = data_dir / f"{DATABASE}.restore"
        _copy_checked(folder / DATABASE, part, digests[DATABASE])
        part.replace(target)
    return count


def _copy_database(source: Path, target: Path) -> None:
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(part)) as copy:
        live.backup(copy)  # one consistent state during concurrent writes
        copy.execute("PRAGMA journal_mode=DELETE")
    part.chmod(0o600)
    part.replace(target)
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)


def _settle(copy: Database) -> None:
    """Leave a single file without a journal."""
    file = Path(copy.url.database or "")
    copy.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")


def _copy_objects(
    source: Database, objects: ObjectStore, folder: Path, manifest: dict[str, ManifestEntry], *, is_copy: bool
) -> tuple[list[ManifestEntry], int]:
    entries: list[ManifestEntry] = []
    copied = 0
    for key, lost in _keys(source, objects):
        name = f"{OBJECTS}/{key}"
        if name in manifest and (folder / name).is_file():
            entries.append(manifest[name])
            continue
        try:
            path = objects.local_path(key)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            entries.append(_entry_of(name, *_copy(path, folder / name)))
            copied += 1
        except (NotFoundError, FileNotFoundError):  # retention removed it after the database was copied
            if is_copy:
                with source.begin() as transaction:
                    lost(transaction)
    return entries, copied


def _keys(source: Database, objects: ObjectStore) -> Iterator[tuple[str, Callable[[sa.Connection], None]]]:
    """Every object that a row refers to, and the update that records its absence."""
    of, now = t.instances.c, datetime.now(UTC)
    original = {"removed_at": now, "deleted_at": now, "removal_cause": RemovalCause.AGE.value}
    artifacts = {"artifacts_removed_at": now, "artifacts_deleted_at": now}

    def gone(digest: str, values: Mapping[str, object]) -> Callable[[sa.Connection], None]:
        return lambda transaction: _update(transaction, digest, values)

    with source.begin() as transaction:
        rows = transaction.execute(sa.select(of.digest, of.object_key).where(of.removed_at.is_(None))).all()
        made = transaction.execute(
            sa.select(t.results.c.digest, t.results.c.object_key)
            .join(t.instances, of.digest == t.results.c.digest)
            .where(of.artifacts_removed_at.is_(None), t.results.c.object_key != "")
        ).all()
    for row in rows:
        yield row.object_key, gone(row.digest, original)
    for row in made:
        yield row.object_key, gone(row.digest, artifacts)
    for kind in ("previews", "maps", "series", "reports"):
        for entry in objects.entries(f"{kind}/"):
            yield entry.key, lambda _transaction: None


def _update(transaction: sa.Connection, digest: str, values: Mapping[str, object]) -> None:
    transaction.execute(sa.update(t.instances).where(t.instances.c.digest == digest).values(values))


def _copy(source: Path, target: Path) -> tuple[str, int]:
    digest, size, part = hashlib.sha256(), 0, target.with_name(f".{target.name}.part")
    with source.open("rb") as reader, part.open("wb") as writer:
        while chunk := reader.read(CHUNK_BYTES):
            digest.update(chunk)
            writer.write(chunk)
            size += len(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    part.replace(target)
    return digest.hexdigest(), size


def _copy_checked(source: Path, target: Path, sha256: str) -> None:
    try:
        digest, _size = _copy(source, target)
    except FileNotFoundError as error:
        raise BackupError(f"{source.name} is missing in the backup.") from error
    if digest != sha256:
        target.unlink()
        raise BackupError(f"{source.name} was changed since the backup was made.")
    shutil.copymode(source, target)


def _digest_of(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def _entry_of(file: str, sha256: str, size: int) -> ManifestEntry:
    return ManifestEntry(file, size, sha256)


def _read_manifest(folder: Path) -> list[ManifestEntry]:
    try:
        lines = (folder / MANIFEST).read_text("utf-8").splitlines()
        return [ManifestEntry(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise BackupError(f"{folder} is not a complete backup: {MANIFEST} is missing or damaged.") from error


def _write_manifest(folder: Path, entries: list[ManifestEntry]) -> None:
    write_whole(folder / MANIFEST, "".join(json.dumps(asdict(entry)) + "\n" for entry in entries))
