"""The store of objects, local disk or a bucket: its interface, and the state of what it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

MiB = 1 << 20
"""The unit in which sizes are said to people."""


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """One object in the store; ``modified_at`` is when its bytes were written."""

    key: str
    size_bytes: int
    modified_at: datetime


class Soundness(StrEnum):
    """The state of one stored object."""

    SOUND = "sound"
    LOST = "lost"
    """The store does not have it."""
    DAMAGED = "damaged"
    """Its bytes are not those that were stored."""


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """How full a disk is, in bytes."""

    total_bytes: int
    free_bytes: int

    @property
    def free_percent(self) -> float:
        """Free share, 0 to 100."""
        return 100.0 * self.free_bytes / self.total_bytes if self.total_bytes else 0.0


class ObjectStore(Protocol):
    """Bytes by key, written once, and again only to mend them: local disk or an S3 bucket.

    A key is a relative POSIX path. Data are durable when the call returns.
    """

    def put(self, key: str, data: bytes) -> bool:
        """Store ``data``; False, without any change, if the key is taken."""

    def put_file(self, key: str, path: Path) -> bool:
        """Move the file into the store; False if the key was taken: the file replaces what was there, in one step.

        For content that its key names: the same bytes, or what is left of them.
        """

    def replace(self, key: str, data: bytes) -> None:
        """Store ``data`` in place of what the key has, in one step."""

    def get(self, key: str) -> bytes:
        """The bytes; NotFoundError if the key is not taken."""

    def local_path(self, key: str) -> Path:
        """A readable file with the bytes (a cached copy for remote stores); NotFoundError if the key is not taken."""

    def exists(self, key: str) -> bool:
        """Whether the key is taken."""

    def stat(self, key: str) -> ObjectEntry:
        """Size and time in the store itself; NotFoundError if the key is not taken."""

    def chunks(self, key: str) -> Iterator[bytes]:
        """The bytes in the store itself, not those of a cached copy, in pieces; NotFoundError if it is not taken."""

    def copy(self, key: str) -> Path | None:
        """The copy of the object that this machine has; None if it has none."""

    def drop_copy(self, key: str) -> None:
        """Remove that copy."""

    def check(self) -> None:
        """Raise ResourcesError, with the reason, if no original can be stored; for each image, so it is quick."""

    def probe(self) -> None:
        """The same for every kind of object, by writing and reading; nothing of it stays."""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, and copies of them on this machine; keys that are not taken are ignored."""

    def entries(self, prefix: str) -> Iterator[ObjectEntry]:
        """Every object whose key begins with ``prefix``, which ends with a slash."""

    def space(self) -> DiskSpace | None:
        """How full the objects' disk is; None for a bucket, which has no limit."""
