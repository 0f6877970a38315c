"""The object store in an S3 bucket."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from miqa_node.core.domain.object_store import ObjectEntry
from miqa_node.errors import NotFoundError, ResourcesError
from miqa_node.runtime.store.cache import CopyLimit
from miqa_node.runtime.store.disk import (
    KINDS,
    PROBE,
    Absent,
    DiskObjects,
    check_disk,
    check_key,
    check_writing,
    never_stored,
)

BUCKET_TIMEOUT_S = 20
"""Time-out for a bucket that does not answer, the longest time that senders of images wait."""
CHECK_SHARE, PUT_SHARE = 0.25, 0.7
"""Share of that time per step: a sender waits for the check of the store, and then for storing its object."""
SILENCE_SHARE = 1.5
"""The same for a large object of which the bucket has taken a part: how long it may take none. It takes them one after
the other, so two parts in this time are enough: .35 MB/s."""
PART_BYTES = 5 << 20
"""The smallest part that S3 takes, of at most 10,000 (50 GB)."""


class BucketObjects:
    """Objects in an S3 bucket, with a local cache of recently read or written objects."""

    def __init__(
        self, url: str, cache: Path, min_free_bytes: int, cache_bytes: int, absent: Absent = never_stored
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
        check_key(key)
        try:
            with _answering():
                return asyncio.run(self._upload(key, data, is_conditional=True))
        except AlreadyExistsError:
            return False

    def put_file(self, key: str, path: Path) -> bool:
        """Upload a file, in place of what is there, and keep it in the cache."""
        check_key(key)
        with _answering():
            is_new = asyncio.run(self._upload(key, path))
        self._cache.put_file(key, path)
        self._limit.keep()
        return is_new

    def replace(self, key: str, data: bytes) -> None:
        """Upload in place of what the bucket has, and forget the copy."""
        check_key(key)
        with _answering():
            asyncio.run(self._upload(key, data))
        self.drop_copy(key)

    async def _upload(self, key: str, source: bytes | Path, *, is_conditional: bool = False) -> bool:
        """Upload bytes or a file, large ones in parts; False if the key was taken, by which a conditional one ends."""
        is_small = (source.stat().st_size if isinstance(source, Path) else len(source)) <= PART_BYTES
        async with asyncio.timeout(PUT_SHARE * BUCKET_TIMEOUT_S) as limit:
            is_new = True
            if not (is_small and is_conditional):  # there is no conditional upload in parts
                with suppress(FileNotFoundError):
                    await obstore.head_async(self._bucket, key)
                    is_new = False
            if is_conditional and not is_new:
                return False
            if is_small:
                data = source.read_bytes() if isinstance(source, Path) else source
                await obstore.put_async(self._bucket, key, data, mode="create" if is_conditional else "overwrite")
            else:
                # Opened here: an upload that is given up keeps the parts, and with them the file.
                with source.open("rb") if isinstance(source, Path) else BytesIO(source) as file:
                    parts = _parts(file, limit)
                    await obstore.put_async(self._bucket, key, parts, chunk_size=PART_BYTES, max_concurrency=1)
        return is_new

    def get(self, key: str) -> bytes:
        """The bytes of a key."""
        return self.local_path(key).read_bytes()

    def local_path(self, key: str) -> Path:
        """The cached copy, fetched if it is missing."""
        check_key(key)
        try:
            return self._limit.used(self._cache.local_path(key))
        except NotFoundError:
            part = self._cache_dir / f".{uuid.uuid4().hex}.part"
            try:
                with part.open("wb") as file:
                    for chunk in self.chunks(key):
                        file.write(chunk)
                self._cache.put_file(key, part)
            finally:
                part.unlink(missing_ok=True)
            self._limit.keep()
            return self._cache.local_path(key)

    def exists(self, key: str) -> bool:
        """Whether the bucket has the key."""
        check_key(key)
        try:
            with _answering():
                obstore.head(self._bucket, key)
        except FileNotFoundError:
            self._check_bucket()
            return False
        return True

    def stat(self, key: str) -> ObjectEntry:
        """Size and time in the bucket."""
        check_key(key)
        try:
            with _answering():
                entry = obstore.head(self._bucket, key)
        except FileNotFoundError as error:
            self._check_bucket()
            raise self._absent(key) from error
        return ObjectEntry(key, entry["size"], entry["last_modified"])

    def chunks(self, key: str) -> Iterator[bytes]:
        """What the bucket sends."""
        check_key(key)
        try:
            with _answering():
                for chunk in obstore.get(self._bucket, key).stream():
                    yield bytes(chunk)
        except FileNotFoundError as error:
            self._check_bucket()
            raise self._absent(key) from error

    def copy(self, key: str) -> Path | None:
        """The copy in the cache."""
        with suppress(NotFoundError):
            return self._cache.local_path(key)
        return None

    def drop_copy(self, key: str) -> None:
        """Remove the copy."""
        self._cache.delete([key])

    def check(self) -> None:
        """Raise ResourcesError if the bucket does not answer or the cache's disk is too full."""
        check_disk(self._cache_dir, self._min_free_bytes)
        self._check_bucket()

    def _check_bucket(self) -> None:
        """ResourcesError without an answer, or without a bucket: then an object that is not found is not lost."""
        with _answering(), _existing():
            _within(CHECK_SHARE, lambda: obstore.list_with_delimiter_async(self._bucket, "check"))

    def probe(self) -> None:
        """Write, read and delete an object of each kind, and a file beside the copies."""
        self.check()
        check_writing(self._cache_dir)
        for kind in KINDS:
            key = f"{kind}/00/probe-{uuid.uuid4().hex}"
            try:
                self.put(key, PROBE)
                if b"".join(self.chunks(key)) != PROBE:
                    raise ResourcesError("The bucket does not give back what was written below {kind}/.", kind=kind)
            finally:
                self.delete([key])

    def delete(self, keys: Sequence[str]) -> None:
        """Delete in the bucket, then the copies."""
        for key in keys:
            check_key(key)
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
        raise ResourcesError("The object store does not answer: {name}", name=type(error).__name__) from error


@contextmanager
def _existing() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ResourcesError("The bucket of store.objects_url does not exist.") from error


async def _parts(file: BinaryIO, limit: asyncio.Timeout) -> AsyncIterator[bytes]:
    """The parts of a large object; each time when one is asked for, the bucket has taken another."""
    while part := file.read(PART_BYTES):
        limit.reschedule(asyncio.get_running_loop().time() + SILENCE_SHARE * BUCKET_TIMEOUT_S)
        yield part


def _within(share: float, ask: Callable[[], Awaitable[object]]) -> None:
    """Limit a request to a share of BUCKET_TIMEOUT_S; the client's own limits apply per attempt, not in total."""

    async def answer() -> None:
        async with asyncio.timeout(share * BUCKET_TIMEOUT_S):
            await ask()

    asyncio.run(answer())
