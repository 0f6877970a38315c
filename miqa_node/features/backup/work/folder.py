"""The folder of a backup, which at every instant holds one whole state: the last, or the one before it.

    manifest.jsonl                   replaced last and in one step; names every file of the state with its SHA-256
    generations/<id>/miqa.sqlite     the database at one moment
    generations/<id>/files/          keys, destinations, what the site's images taught
    objects/                         objects by their keys, shared by all generations

Nothing that the manifest names is changed or removed while it is the manifest. An object that differs from the one of
that name goes into ``generations/<id>/objects/``.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import stat
import uuid
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from miqa_node.core.files.whole_file import PARTIAL, write_whole
from miqa_node.errors import BackupError
from miqa_node.runtime.store.disk import sync_folder
from miqa_node.runtime.store.verification import Soundness

DATABASE, OBJECTS, FILES, GENERATIONS, MANIFEST = "miqa.sqlite", "objects", "files", "generations", "manifest.jsonl"
LOST, DAMAGED = Soundness.LOST.value, Soundness.DAMAGED.value
UNREADABLE = "unreadable"
WRITER_LOCK, READER_LOCK = ".writer.lock", ".reader.lock"
_OWN = frozenset({DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", "miqa.part", OBJECTS, FILES, GENERATIONS, MANIFEST})
_GENERATION = re.compile(rf"{GENERATIONS}/[^/]+/")


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file of a backup: path below its folder, size and SHA-256.

    ``modified_at`` is the time of the node's own file when it was read. ``fault`` is "lost" if there is no file,
    "unreadable" if there is none because the node could not read its own, or "damaged" if the node itself has other
    bytes than it received.
    """

    file: str
    size_bytes: int
    sha256: str
    modified_at: str = ""
    fault: str = ""

    @property
    def name(self) -> str:
        """What the file is, in whatever generation: ``objects/<key>``, ``files/<name>`` or ``miqa.sqlite``."""
        return _GENERATION.sub("", self.file, count=1)

    @property
    def has_file(self) -> bool:
        """Whether there is a file of it."""
        return self.fault not in (LOST, UNREADABLE)


class BackupFolder:
    """One folder of backups; ``manifest`` is the state that it holds, by name, empty if there is none yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = {entry.name: entry for entry in (read_manifest(path) if (path / MANIFEST).is_file() else ())}
        made_at = datetime.now(UTC)
        self.generation = f"{GENERATIONS}/{made_at:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"

    def prepare(self) -> None:
        """Close the folder to others, and remove what attempts before this one left behind, except whole objects."""
        self.tidy({entry.file for entry in self.manifest.values()}, unfinished=True)
        (self.path / self.generation).mkdir(parents=True, mode=0o700)
        (self.path / OBJECTS).mkdir(mode=0o700, exist_ok=True)

    def place(self, name: str) -> Path:
        """Where to write a file of the new state, with its folders: beside those of the last state, never over them."""
        last = self.manifest.get(name)
        is_free = name.startswith(f"{OBJECTS}/") and (last is None or last.file != name or not last.has_file)
        path = self.path / (name if is_free else f"{self.generation}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def name_of(self, place: Path) -> str:
        """The path of a file as the manifest has it."""
        return place.relative_to(self.path).as_posix()

    def replace(self, entries: Iterable[ManifestEntry]) -> None:
        """Let these entries be the backup, in one step; then remove what was only of the last one."""
        entries = list(entries)
        for folder in sorted({(self.path / entry.file).parent for entry in entries if entry.has_file}):
            _sync(folder)
        for folder in (self.path / self.generation, self.path / GENERATIONS, self.path / OBJECTS):
            _sync(folder)
        write_whole(self.path / MANIFEST, "".join(json.dumps(asdict(entry)) + "\n" for entry in entries))
        _sync(self.path)
        with _locked(self.path / READER_LOCK, fcntl.LOCK_EX):  # who reads the last state now may end with it
            self.tidy({entry.file for entry in entries})

    def tidy(self, listed: AbstractSet[str], *, unfinished: bool = False) -> None:
        """Remove files of backups that are not listed, and shut out others from the rest; other files are left alone.

        With ``unfinished``, objects stay that are whole: the next attempt need not copy them again.
        """
        for path in _files_of(self.path):
            file = path.relative_to(self.path).as_posix()
            if file in listed or (unfinished and file.startswith(f"{OBJECTS}/") and not PARTIAL.fullmatch(path.name)):
                _make_private(path, 0o600)
            else:
                path.unlink(missing_ok=True)
        for name in (OBJECTS, GENERATIONS):
            for folder, _, _ in os.walk(self.path / name, topdown=False):
                with suppress(OSError):  # not empty
                    if name != OBJECTS:
                        Path(folder).rmdir()
                if Path(folder).is_dir():
                    _make_private(Path(folder), 0o700)


@contextmanager
def writing(path: Path) -> Iterator[BackupFolder]:
    """The folder, for one backup at a time.

    Raises
    ------
    BackupError
        Another backup into it is running, or it holds things of such names that are not a backup.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    there = {entry.name for entry in path.iterdir()}
    if there & _OWN and not there & {MANIFEST, WRITER_LOCK}:
        raise BackupError(f"{path} is not a backup, but holds {min(there & _OWN)}: choose an empty folder.")
    if there <= {*_OWN, WRITER_LOCK, READER_LOCK} or any(map(PARTIAL.fullmatch, there)):
        _make_private(path, 0o700)  # else it is shared on purpose, and only what lies below is closed
    with _locked(path / WRITER_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield BackupFolder(path)


@contextmanager
def reading(path: Path) -> Iterator[list[ManifestEntry]]:
    """The entries of the state that the folder holds; its files stay meanwhile, even if a backup replaces it.

    Raises
    ------
    BackupError
        There is no manifest, or it is damaged.
    """
    with _locked(path / READER_LOCK, fcntl.LOCK_SH):
        yield read_manifest(path)


def read_manifest(folder: Path) -> list[ManifestEntry]:
    """The entries of a backup; BackupError without a manifest, or with a damaged one."""
    try:
        lines = (folder / MANIFEST).read_text("utf-8").splitlines()
        entries = [ManifestEntry(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise BackupError(f"{folder} is not a complete backup: {MANIFEST} is missing or damaged.") from error
    for path in (PurePosixPath(entry.file) for entry in entries):
        if path.is_absolute() or ".." in path.parts:
            raise BackupError(f"{MANIFEST} of {folder} names a file outside of it.")
    return entries


def _files_of(folder: Path) -> Iterator[Path]:
    """The files that backups wrote."""
    for path in list(folder.iterdir()):
        if path.is_dir():
            if path.name in (OBJECTS, GENERATIONS):
                yield from (Path(below, name) for below, _, names in os.walk(path) for name in names)
        elif path.name in _OWN - {MANIFEST} or PARTIAL.fullmatch(path.name):
            yield path
        elif path.name in (MANIFEST, WRITER_LOCK, READER_LOCK):
            _make_private(path, 0o600)


def _make_private(path: Path, mode: int) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        with suppress(PermissionError):  # another's, or a file system without modes
            path.chmod(mode)


@contextmanager
def _locked(file: Path, how: int) -> Iterator[None]:
    """Hold a lock. Who only reads needs none where there is no file of it: no backup is being made there."""
    is_reader = how & fcntl.LOCK_SH
    try:
        descriptor = os.open(file, os.O_CLOEXEC | (os.O_RDONLY if is_reader else os.O_RDWR | os.O_CREAT), 0o600)
    except OSError:
        if not is_reader:
            raise
        yield
        return
    try:
        _lock(descriptor, file, how)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, file: Path, how: int) -> None:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError as error:
        raise BackupError(f"Another backup into {file.parent} is running.") from error
    except OSError:  # some network file systems have no locks
        return


def _sync(folder: Path) -> None:
    try:
        sync_folder(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems know no flushing of folders
            raise
