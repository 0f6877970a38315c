"""The object store: bytes by key, written once, on local disk or in an S3 bucket."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISREG
from tempfile import TemporaryFile

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from miqa_node.domain.ports import DiskSpace, ObjectEntry, ObjectStore
from miqa_node.errors import NotFoundError, ResourcesError, SettingsError
from miqa_node.settings import Settings
from miqa_node.store.cache import CopyLimit

BUCKET_TIMEOUT_S = 20
"""Time-out for a bucket that does not answer, the longest time that senders of images wait."""
CHECK_SHARE, PUT_SHARE = 0.25, 0.7
"""Share of that time per step: a sender waits for the check of the store, and then for storing its object."""

_KEY = re.compile(r"[a-z]+(/[A-Za-z0-9._-]{1,128}){1,4}", re.ASCII)
_SHARD = re.compile(r"[0-9a-f]{2}")


Absent = Callable[[str], NotFoundError]
"""The error for a missing key, which states whether and when the object was removed."""


def _never_stored(key: str) -> NotFoundError:
    return NotFoundError(f"There is no object {key}.")


def objects_of(settings: Settings, absent: Absent = _never_stored) -> ObjectStore:
    """The store of a node's settings."""
    store = settings.store
    return open_objects(store.objects_url, settings.objects_dir, store.min_free_bytes, store.cache_bytes, absent)


def open_objects(
    url: str, folder: Path, min_free_bytes: int, cache_bytes: int, absent: Absent = _never_stored
) -> ObjectStore:
    """The store of the settings; ``folder`` has the objects, or a limited number of copies of a bucket's objects."""
    if not url:
        return DiskObjects(folder, min_free_bytes, absent)
    if url.startswith("s3://"):
        return BucketObjects(url, folder, min_free_bytes, cache_bytes, absent)
    raise SettingsError(f"store.objects_url: {url!r} is neither empty nor s3://bucket/prefix.")


class DiskObjects:
    """Objects as files below one folder. A key that exists is complete: files appear by rename only."""

    def __init__(self, root: Path, min_free_bytes: int = 0, absent: Absent = _never_stored) -> None:
        self._root = root
        self._min_free_bytes = min_free_bytes
        self._absent = absent
        self._known_folders: set[Path] = set()
        root.mkdir(parents=True, exist_ok=True)

    def put(self, key: str, data: bytes) -> bool:
        """Write, flush to disk and rename; see :class:`~miqa_node.domain.ports.ObjectStore`."""
        target = self._path(key)
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
        return self._publish(part, target)

    def put_file(self, key: str, path: Path) -> bool:
        """Take over a file that the caller has already flushed to disk."""
        target = self._path(key)
        self._make_folder(target.parent)
        return self._publish(path, target)

    def get(self, key: str) -> bytes:
        """The bytes of a key."""
        return self.local_path(key).read_bytes()

    def local_path(self, key: str) -> Path:
        """The file itself."""
        path = self._path(key)
        if not path.is_file():
            raise self._absent(key)
        return path

    def exists(self, key: str) -> bool:
        """Whether the file exists."""
        return self._path(key).is_file()

    def check(self) -> None:
        """Raise ResourcesError if the disk is fuller than allowed or the folder is not writable."""
        _check_disk(self._root, self._min_free_bytes)

    def delete(self, keys: Sequence[str]) -> None:
        """Unlink the files."""
        for key in keys:
            self._path(key).unlink(missing_ok=True)

    def entries(self, prefix: str) -> Iterator[ObjectEntry]:
        """Files below a folder, without those that are still being written."""
        for path in (self._root / prefix).rglob("*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                if S_ISREG(status.st_mode) and not path.name.startswith("."):
                    key = path.relative_to(self._root).as_posix()
                    yield ObjectEntry(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def space(self) -> DiskSpace:
        """Space of the folder's file system."""
        usage = shutil.disk_usage(self._root)
        return DiskSpace(usage.total, usage.free)

    def _publish(self, part: Path, target: Path) -> bool:
        # link() fails if the target exists, but rename() would silently replace it: a stored file never changes.
        new = True
        try:
            os.link(part, target)
        except FileExistsError:
            new = False
            with suppress(FileNotFoundError):
                os.utime(target)  # refresh its time: it is not an old orphan
        finally:
            part.unlink(missing_ok=True)
        # Also for an existing file: its writer may have been killed before this line.
        _sync_folder(target.parent)
        return new

    def _make_folder(self, folder: Path) -> None:
        if folder in self._known_folders:
            return
        missing = [f for f in (folder, *folder.parents) if not f.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        if missing and _SHARD.fullmatch(folder.name):
            # Create all shards of a kind at once: one flush now instead of one per early image.
            for shard in range(256):
                (folder.parent / f"{shard:02x}").mkdir(exist_ok=True)
        for made in reversed(missing):
            _sync_folder(made.parent)
        self._known_folders.add(folder)

    def _path(self, key: str) -> Path:
        _check_key(key)
        return self._root / key


class BucketObjects:
    """Objects in an S3 bucket, with a local cache of recently read or written objects."""

    def __init__(
        self, url: str, cache: Path, min_free_bytes: int, cache_bytes: int, absent: Absent = _never_stored
    ) -> None:
        # Credentials, region and endpoint come from the usual AWS_… variables of the environment.
        self._bucket = S3Store.from_url(url, retry_config={"retry_timeout": timedelta(seconds=BUCKET_TIMEOUT_S)})
        self._cache = DiskObjects(cache)
        self._cache_dir = cache
        self._limit = CopyLimit(cache, cache_bytes)
        self._min_free_bytes = min_free_bytes
        self._absent = absent

    def put(self, key: str, data: bytes) -> bool:
        """Upload unless the key exists (conditional put: one of two writers wins).

        An abandoned upload may still complete. Then the key has these bytes, and the next attempt finds it taken.
        """
        _check_key(key)
        try:
            with _answering():
                _within(PUT_SHARE, lambda: obstore.put_async(self._bucket, key, data, mode="create"))
        except AlreadyExistsError:
            return False
        return True

    def put_file(self, key: str, path: Path) -> bool:
        """Upload a file and keep it in the cache."""
        stored = self.put(key, path.read_bytes())
        if stored:
            self._cache.put_file(key, path)
            self._limit.keep()
        path.unlink(missing_ok=True)
        return stored

    def get(self, key: str) -> bytes:
        """The bytes of a key."""
        return self.local_path(key).read_bytes()

    def local_path(self, key: str) -> Path:
        """The cached copy, fetched if it is missing."""
        _check_key(key)
        try:
            return self._limit.used(self._cache.local_path(key))
        except NotFoundError:
            try:
                with _answering():
                    data = bytes(obstore.get(self._bucket, key).bytes())
            except FileNotFoundError as error:
                raise self._absent(key) from error
            self._cache.put(key, data)
            self._limit.keep()
            return self._cache.local_path(key)

    def exists(self, key: str) -> bool:
        """Whether the bucket has the key."""
        _check_key(key)
        try:
            with _answering():
                obstore.head(self._bucket, key)
        except FileNotFoundError:
            return False
        return True

    def check(self) -> None:
        """Raise ResourcesError if the bucket does not answer or the cache's disk is too full."""
        _check_disk(self._cache_dir, self._min_free_bytes)
        with _answering(), _existing():
            _within(CHECK_SHARE, lambda: obstore.list_with_delimiter_async(self._bucket, "check"))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete in the bucket, then the copies."""
        for key in keys:
            _check_key(key)
        if keys:
            with _answering(), suppress(FileNotFoundError):
                obstore.delete(self._bucket, keys)
        self._cache.delete(keys)

    def entries(self, prefix: str) -> Iterator[ObjectEntry]:
        """Objects of the bucket."""
        with _answering():
            for batch in obstore.list(self._bucket, prefix=prefix):
                for entry in batch:
                    yield ObjectEntry(entry["path"], entry["size"], entry["last_modified"])

    def space(self) -> None:
        """None, because a bucket has no limit."""
        return


@contextmanager
def _answering() -> Iterator[None]:
    """Raise ResourcesError if the bucket does not answer or denies access: the object is not to blame."""
    try:
        yield
    except (AlreadyExistsError, FileNotFoundError):
        raise
    except (BaseError, TimeoutError) as error:
        raise ResourcesError(f"The object store does not answer: {type(error).__name__}") from error


@contextmanager
def _existing() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ResourcesError("The bucket of store.objects_url does not exist.") from error


def _within(share: float, ask: Callable[[], Awaitable[object]]) -> None:
    """Limit a request to a share of BUCKET_TIMEOUT_S; the client's own limits apply per attempt, not in total."""

    async def answer() -> None:
        async with asyncio.timeout(share * BUCKET_TIMEOUT_S):
            await ask()

    asyncio.run(answer())


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key) or ".." in key:
        raise ValueError(f"not an object key: {key!r}")


def _check_disk(folder: Path, min_free_bytes: int) -> None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ResourcesError(f"The object store's folder cannot be read: {error.strerror}") from error
    if free < min_free_bytes:
        raise ResourcesError(
            f"Only {free // 2**20} MiB are free on the object store's disk; "
            f"store.min_free_bytes asks for {min_free_bytes // 2**20} MiB."
        )
    if not os.access(folder, os.W_OK):
        raise ResourcesError("The object store's folder is not writable.")


def check_writing(folder: Path) -> None:
    """Raise ResourcesError unless a file can be made and flushed in the folder: a failing disk can still be read."""
    try:
        with TemporaryFile(dir=folder) as file:
            file.write(b"miqa-node")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ResourcesError(f"The data directory cannot be written: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
