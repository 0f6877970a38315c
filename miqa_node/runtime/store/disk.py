"""The object store on local disk: one file per object."""

from __future__ import annotations

import os
import random
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from stat import S_ISREG
from tempfile import TemporaryFile

from miqa_node.core.domain.object_store import DiskSpace, MiB, ObjectEntry
from miqa_node.errors import NotFoundError, ResourcesError

_KEY = re.compile(r"[a-z]+(/[A-Za-z0-9._-]{1,128}){1,4}", re.ASCII)
_SHARD = re.compile(r"[0-9a-f]{2}")
CHUNK_BYTES = 1 << 20

ORIGINALS = "instances"
"""The kind of key of received files."""
KINDS = (ORIGINALS, "previews", "maps", "series", "results")
"""All kinds of keys: the folders at the top."""
SHARDS = 256
"""Folders of a kind, all made at its first object: one flush then, in place of one with each early image."""
PROBE = b"miqa-node"

Absent = Callable[[str], NotFoundError]
"""The error for a missing key, which states whether and when the object was removed."""


def never_stored(key: str) -> NotFoundError:
    """The error for a key that never existed."""
    return NotFoundError("There is no object {key}.", key=key)


class DiskObjects:
    """Objects as files below one folder. A key that exists is complete: files appear by rename only."""

    def __init__(self, root: Path, min_free_bytes: int = 0, absent: Absent = never_stored) -> None:
        self._root = root
        self._min_free_bytes = min_free_bytes
        self._absent = absent
        root.mkdir(parents=True, exist_ok=True)

    def put(self, key: str, data: bytes) -> bool:
        """Write, flush to disk and rename; see :class:`~miqa_node.core.domain.object_store.ObjectStore`."""
        target = self._path(key)
        return self._publish(self._write(target, data), target)

    def put_file(self, key: str, path: Path) -> bool:
        """Take over a file that the caller has already flushed to disk."""
        target = self._path(key)
        return self._publish(path, target, replaces=True)

    def replace(self, key: str, data: bytes) -> None:
        """Write, flush to disk and rename over what is there."""
        target = self._path(key)
        self._publish(self._write(target, data), target, replaces=True)

    def get(self, key: str) -> bytes:
        """The bytes of a key."""
        return self.local_path(key).read_bytes()

    def local_path(self, key: str) -> Path:
        """The file itself."""
        self.stat(key)
        return self._path(key)

    def exists(self, key: str) -> bool:
        """Whether the file exists; an error of the disk does not say that it does not."""
        try:
            self.stat(key)
        except NotFoundError:
            return False
        return True

    def stat(self, key: str) -> ObjectEntry:
        """Size and time of the file."""
        try:
            status = self._path(key).stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            if not self._root.is_dir():
                raise ResourcesError("The object store's folder is not there.") from error
            raise self._absent(key) from error
        if not S_ISREG(status.st_mode):
            raise self._absent(key)
        # Not the time of modification, which programs set back.
        return ObjectEntry(key, status.st_size, datetime.fromtimestamp(status.st_ctime, UTC))

    def chunks(self, key: str) -> Iterator[bytes]:
        """The file in pieces."""
        return chunks_of(self.local_path(key))

    def copy(self, key: str) -> None:  # noqa: ARG002
        """None: the file itself is here."""
        return

    def drop_copy(self, key: str) -> None:
        """Nothing: there are no copies."""

    def check(self) -> None:
        """Raise ResourcesError if the disk is fuller than allowed, or no original can be stored."""
        check_disk(self._root, self._min_free_bytes)
        self._try_a_folder(ORIGINALS)

    def probe(self) -> None:
        """Write and read a nameless file in every folder; only one of each kind is flushed, which takes long."""
        check_disk(self._root, self._min_free_bytes)
        for kind in KINDS:
            if os.path.lexists(self._root / kind):
                _check_folder(self._root / kind, kind, flushes=True)
            for shard in sorted(self._shards(kind)):
                _check_folder(self._root / kind / shard, f"{kind}/{shard}")

    def delete(self, keys: Sequence[str]) -> None:
        """Unlink the files."""
        for key in keys:
            self._path(key).unlink(missing_ok=True)

    def entries(self, prefix: str) -> Iterator[ObjectEntry]:
        """Files below a folder, without those that are still being written."""
        # Errors of a folder or file hide it; who asks for an object that is not listed hears of them.
        for path in (Path(folder, name) for folder, _, names in os.walk(self._root / prefix) for name in names):
            with suppress(OSError):
                status = path.stat()
                if S_ISREG(status.st_mode) and not path.name.startswith("."):
                    key = path.relative_to(self._root).as_posix()
                    yield ObjectEntry(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def space(self) -> DiskSpace:
        """Space of the folder's file system."""
        usage = shutil.disk_usage(self._root)
        return DiskSpace(usage.total, usage.free)

    def _try_a_folder(self, kind: str) -> None:
        shards = self._shards(kind)
        if shards:
            shard = random.choice(shards)  # noqa: S311 - none is a secret
            _check_folder(self._root / kind / shard, kind)

    def _shards(self, kind: str) -> Sequence[str]:
        """The folders of a kind; none before its first object."""
        try:
            return [path.name for path in (self._root / kind).iterdir() if _SHARD.fullmatch(path.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(kind, error) from error

    def _write(self, target: Path, data: bytes) -> Path:
        part = target.parent / f".{uuid.uuid4().hex}.part"
        self._make_folder(target.parent)
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # remove the partial file, because the disk may be full
            part.unlink(missing_ok=True)
            raise
        return part

    def _publish(self, part: Path, target: Path, *, replaces: bool = False) -> bool:
        # link() fails if the target exists, but rename() replaces it: of two writers the first one is told that it was.
        new = True
        try:
            self._link(part, target)
        except FileExistsError:
            new = False
            if replaces:
                part.replace(target)
            else:
                with suppress(FileNotFoundError):
                    os.utime(target)  # refresh its time: it is not an old orphan
        finally:
            part.unlink(missing_ok=True)
        # Also for an existing file: its writer may have been killed before this line.
        sync_folder(target.parent)
        return new

    def _link(self, part: Path, target: Path) -> None:
        try:
            os.link(part, target)
        except FileNotFoundError:  # the first of its folder; to look for the folder each time would cost more
            self._make_folder(target.parent)
            os.link(part, target)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        missing = [f for f in (folder, *folder.parents) if not f.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        if missing and _SHARD.fullmatch(folder.name):
            for shard in range(SHARDS):
                (folder.parent / f"{shard:02x}").mkdir(exist_ok=True)
        for made in reversed(missing):
            sync_folder(made.parent)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key


def chunks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file in pieces."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def check_key(key: str) -> None:
    """Raise ValueError unless it may be the key of an object."""
    if not _KEY.fullmatch(key) or ".." in key:
        raise ValueError(f"not an object key: {key!r}")


def free_bytes(folder: Path) -> int:
    """Free space of the folder's disk; ResourcesError if it cannot be asked."""
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise _unreadable(folder.name, error) from error


def check_disk(folder: Path, min_free_bytes: int) -> None:
    """Raise ResourcesError if the folder's disk is fuller than allowed, or the folder not writable."""
    free = free_bytes(folder)
    if free < min_free_bytes:
        raise ResourcesError(
            "Only {free} MiB are free on the object store's disk; store.min_free_bytes asks for {min_free_bytes} MiB.",
            free=free // MiB,
            min_free_bytes=min_free_bytes // MiB,
        )
    if not os.access(folder, os.W_OK):
        raise ResourcesError("The object store's folder is not writable.")


def check_writing(folder: Path) -> None:
    """Raise ResourcesError unless a file can be made and flushed in the folder: a failing disk can still be read."""
    try:
        with TemporaryFile(dir=folder, buffering=0) as file:
            _write_probe(file, flushes=True)
    except OSError as error:
        raise ResourcesError("The data directory cannot be written: {strerror}", strerror=error.strerror) from error


def _check_folder(folder: Path, name: str, *, flushes: bool = False) -> None:
    """The same of a folder of the object store, whose file is read, too."""
    try:
        with TemporaryFile(dir=folder, buffering=0) as file:
            _write_probe(file, flushes=flushes)
            _read_probe(file, name)
    except OSError as error:
        raise ResourcesError(
            "The object store's folder {name} cannot be written: {strerror}", name=name, strerror=error.strerror
        ) from error


def _write_probe(file: FileIO, *, flushes: bool) -> None:
    file.write(PROBE)
    if flushes:
        os.fsync(file.fileno())


def _read_probe(file: FileIO, kind: str) -> None:
    try:
        file.seek(0)
        file.read()
    except OSError as error:
        raise _unreadable(kind, error) from error


def _unreadable(kind: str, error: OSError) -> ResourcesError:
    return ResourcesError(
        "The object store's folder {kind} cannot be read: {strerror}", kind=kind, strerror=error.strerror
    )


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
