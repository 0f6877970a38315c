"""Verifies a backup, and restores it to a new machine: every file is compared with the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.observe.progress import counted
from miqa_node.errors import BackupError
from miqa_node.features.backup.work.copying import copy_file, describe_file, integrity_of
from miqa_node.features.backup.work.folder import DATABASE, FILES, OBJECTS, ManifestEntry, read_manifest, reading

PRIVATE = 0o600
LOGS = ("-wal", "-journal")
"""Of a former database: SQLite would write what is in them into the restored one."""


def check_backup(folder: Path) -> Iterator[str]:
    """The faults of a backup: missing or changed files, a damaged database."""
    with reading(folder) as entries:
        for entry in counted([one for one in entries if one.has_file], "Comparing"):
            path = folder / entry.file
            if not path.is_file():
                yield f"{entry.file} is missing"
            elif describe_file(path)[1] != entry.sha256:
                yield f"{entry.file} was changed"
            elif entry.name == DATABASE and (state := integrity_of(path)) != "ok":
                yield f"{entry.file}: {state}"


def lacking(folder: Path) -> list[str]:
    """What the node itself had lost or damaged when the backup was made, and no earlier backup in the folder had."""
    return [f"{entry.fault} {entry.name.removeprefix(f'{OBJECTS}/')}" for entry in read_manifest(folder) if entry.fault]


def restore(folder: Path, data_dir: Path, objects: ObjectStore, *, with_database: bool) -> int:
    """Restore a backup to an empty data directory and object store, verifying each file; returns the number of objects.

    Raises
    ------
    BackupError
        There is already a database or the log of one, or a file of the backup is missing or changed.
    """
    target = data_dir / DATABASE
    for path in (target, *(data_dir / f"{DATABASE}{ending}" for ending in LOGS)):
        if with_database and path.exists():
            raise BackupError(f"{path} exists; restore into an empty data directory.")
    incoming, count = data_dir / "incoming", 0
    incoming.mkdir(parents=True, exist_ok=True)
    with reading(folder) as entries:
        for entry in counted([one for one in entries if one.has_file], "Restoring"):
            place, _, name = entry.name.partition("/")
            if place == OBJECTS:
                part = incoming / f"{count}.restore"
                _copy(folder, entry, part)
                objects.put_file(name, part)
                count += 1
            elif place == FILES:
                (data_dir / name).parent.mkdir(parents=True, exist_ok=True)
                _copy(folder, entry, data_dir / name)
        if with_database:  # last: an interrupted restore can be repeated
            database = next((entry for entry in entries if entry.name == DATABASE), None)
            if database is None:
                raise BackupError(
                    "The backup holds no database: it is of a node on PostgreSQL. Restore its dump first."
                )
            _copy(folder, database, part := data_dir / f"{DATABASE}.restore")
            part.replace(target)
    return count


def _copy(folder: Path, entry: ManifestEntry, target: Path) -> None:
    source = folder / entry.file
    try:
        _size, digest = copy_file(source, target)
    except FileNotFoundError as error:
        raise BackupError(f"{source.name} is missing in the backup.") from error
    if digest != entry.sha256:
        target.unlink()
        raise BackupError(f"{source.name} was changed since the backup was made.")
    target.chmod(PRIVATE)
