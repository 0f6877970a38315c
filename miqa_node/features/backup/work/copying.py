"""Copies of files and of streams of bytes, complete on disk under their names or not at all, with their digests."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from miqa_node.core.files.whole_file import whole_file
from miqa_node.runtime.store.disk import chunks_of


class CountedBytes:
    """Bytes on their way, counted and digested."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, once."""
        for chunk in self._chunks:
            self._digest.update(chunk)
            self.size_bytes += len(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        """Digest of all bytes so far."""
        return self._digest.hexdigest()


def copy_file(source: Path, target: Path) -> tuple[int, str]:
    """Copy a file; its size and SHA-256."""
    passage = CountedBytes(chunks_of(source))
    with whole_file(target) as part, part.open("wb") as file:
        for chunk in passage:
            file.write(chunk)
    return passage.size_bytes, passage.sha256


def describe_file(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    passage = CountedBytes(chunks_of(path))
    for _ in passage:
        pass
    return passage.size_bytes, passage.sha256


def integrity_of(database: Path) -> str:
    """What SQLite's own check says of a database: "ok", or the first fault."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            state: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        return str(error)
    return state
