"""Whether a stored object is still what its row says: there, of its size, with its digest.

Asked before the node promises to keep an original, before it sends a result, and by fsck and backups. The store itself
is read, never this machine's copy of an object in a bucket.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from miqa_node.core.domain.object_store import ObjectStore, Soundness
from miqa_node.dicom.elements import find_encoding
from miqa_node.errors import DataSetError, NotFoundError, ResourcesError
from miqa_node.runtime.store.disk import ORIGINALS, chunks_of

__all__ = ["Soundness", "check", "check_original", "check_result", "data_set_digest", "drop_bad_copy"]

HEAD_BYTES = 1 << 16
"""More than precedes the data set in any DICOM file."""


def check(objects: ObjectStore, key: str, size: int | None, digest: str | None, *, deep: bool = True) -> Soundness:
    """Compare an object with its size and digest, of which a row may lack one or both.

    ``size`` is that of the file; ``digest`` is that of the data set of an original, as computed on arrival, and of
    everything else that of the file. Not ``deep``, a file of the right size is not read.

    Raises
    ------
    ResourcesError
        The store cannot be read now, so nothing is known.
    """
    try:
        actual = objects.stat(key).size_bytes
        differs = not actual or (size is not None and actual != size)  # nothing that is stored is empty
        if digest is None:
            is_sound = not differs
        # Of two senders' copies of an original one may have a longer head: only the bytes tell whether it is damaged.
        elif deep or size is None or differs:
            is_sound = digest_of(objects.chunks(key), is_original=_is_original(key)) == digest
        else:
            is_sound = True
    except NotFoundError:
        return Soundness.LOST
    except OSError as error:
        raise ResourcesError(
            "The object store cannot be read: {strerror}.", strerror=error.strerror or type(error).__name__
        ) from error
    return Soundness.SOUND if is_sound else Soundness.DAMAGED


def check_original(objects: ObjectStore, row: Any, *, deep: bool = True) -> Soundness:
    """Compare an original with its row of the instances."""
    size = row.file_bytes
    if size is None and not deep and row.copy_digest is None:  # an earlier version stored it
        try:
            size = _read_head(objects.chunks(row.object_key))[1] + row.size_bytes
        except (NotFoundError, DataSetError, OSError):
            size = 0  # look closer
    return check(objects, row.object_key, size, row.copy_digest or row.digest, deep=deep)


def check_result(objects: ObjectStore, row: Any, *, deep: bool = True) -> Soundness:
    """Compare a result with its row; of those that earlier versions made only the presence is known."""
    return check(objects, row.object_key, row.size_bytes, row.sha256, deep=deep)


def drop_bad_copy(objects: ObjectStore, key: str, digest: str) -> bool:
    """Drop this machine's copy of an object in a bucket if its digest differs; True if it did."""
    copy = objects.copy(key)
    try:
        if copy is None or digest_of(chunks_of(copy), is_original=_is_original(key)) == digest:
            return False
    except OSError:
        pass
    objects.drop_copy(key)
    return True


def _is_original(key: str) -> bool:
    return key.startswith(f"{ORIGINALS}/")


def data_set_digest(path: Path) -> str:
    """SHA-256 of the data set in a DICOM file, as computed on arrival; empty if it is not a DICOM file."""
    return digest_of(chunks_of(path), is_original=True)


def digest_of(chunks: Iterable[bytes], *, is_original: bool) -> str:
    """SHA-256 of a file, or of the data set of an original; empty if an original is not a DICOM file."""
    digest, parts = hashlib.sha256(), iter(chunks)
    if is_original:
        try:
            start, offset = _read_head(parts)
        except DataSetError:
            return ""
        digest.update(memoryview(start)[offset:])
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _read_head(parts: Iterator[bytes]) -> tuple[bytes, int]:
    """The first bytes of a DICOM file, and where in them the data set begins."""
    start = b""
    for part in parts:
        start += part
        if len(start) >= HEAD_BYTES:
            break
    try:
        return start, find_encoding(lambda offset, count: start[offset : offset + count]).offset
    except struct.error as error:
        raise DataSetError("Not a DICOM file.") from error
