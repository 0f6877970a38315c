"""A folder that other programs and people write to: nothing in it can redirect the node to another place.

Every path is relative to the folder and resolved one name at a time (openat(2) with O_NOFOLLOW), so a symbolic link,
created at any time, is an error and never leads outside. Only the folder itself, named in the site's settings, may be a
link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Self

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
MAX_NAMES = 10_000


class SharedFolder:
    """An open folder; system calls raise OSError, ELOOP for a symbolic link. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, _FOLDER)

    def __enter__(self) -> Self:
        """Return the open folder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        os.close(self._fd)

    def files(self, below: str = "", *, leave_out: frozenset[str] = frozenset()) -> Iterator[PurePosixPath]:
        """Regular files in order, without hidden ones; ``leave_out`` names folders at the top."""
        try:
            top = os.open(below or ".", _FOLDER | os.O_NOFOLLOW, dir_fd=self._fd)
        except FileNotFoundError:
            return
        try:
            for folder, names, files, fd in os.fwalk(".", dir_fd=top, follow_symlinks=False):
                here = PurePosixPath(below, folder)
                if folder == ".":
                    names[:] = [name for name in names if name not in leave_out]
                names[:] = sorted(name for name in names if not name.startswith("."))
                for name in sorted(files):
                    if not name.startswith(".") and _is_regular(name, fd):
                        yield here / name
        finally:
            os.close(top)

    def status(self, path: PurePosixPath) -> os.stat_result:
        """Status of a file itself; links are not followed."""
        with self._parent(path) as fd:
            return os.stat(path.name, dir_fd=fd, follow_symlinks=False)

    def read(self, path: PurePosixPath) -> BinaryIO:
        """Open a regular file for reading."""
        with self._parent(path) as fd:
            return os.fdopen(_regular(os.open(path.name, os.O_RDONLY | _FILE, dir_fd=fd)), "rb")

    def write(self, path: PurePosixPath, data: bytes) -> None:
        """Write a new file, flushed to disk; FileExistsError if the name exists."""
        with self._parent(path) as fd:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE
            with os.fdopen(os.open(path.name, flags, 0o666, dir_fd=fd), "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            os.fsync(fd)

    def replace(self, path: PurePosixPath, target: PurePosixPath) -> None:
        """Rename a file within one folder, replacing any file of the new name."""
        with self._parent(path) as fd:
            os.rename(path.name, target.name, src_dir_fd=fd, dst_dir_fd=fd)
            os.fsync(fd)

    def move(self, path: PurePosixPath, target: PurePosixPath) -> PurePosixPath:
        """Move a file, with a number added to its name if it exists; return the new path. Creates missing folders."""
        with self._parent(path) as source, self._parent(target, make=True) as fd:
            name = next(
                name
                for number in range(MAX_NAMES)
                if not _exists(name := f"{target.name}-{number}" if number else target.name, fd)
            )
            os.rename(path.name, name, src_dir_fd=source, dst_dir_fd=fd)
        return target.with_name(name)

    def remove(self, path: PurePosixPath) -> None:
        """Remove a file or link."""
        with self._parent(path) as fd:
            os.unlink(path.name, dir_fd=fd)

    def remove_folder(self, path: PurePosixPath) -> None:
        """Remove an empty folder; OSError if something is in it."""
        with self._parent(path) as fd:
            os.rmdir(path.name, dir_fd=fd)

    def make(self, name: str) -> None:
        """Create a top-level folder, if missing; OSError if the name is something else, such as a link."""
        with self._parent(PurePosixPath(name, "x"), make=True):
            pass

    def lock_file(self, name: str) -> BinaryIO:
        """Open a file that only serves as a lock; it is created if missing, and never truncated."""
        flags = os.O_RDWR | os.O_CREAT | _FILE
        return os.fdopen(_regular(os.open(name, flags, 0o666, dir_fd=self._fd)), "r+b")

    @contextmanager
    def _parent(self, path: PurePosixPath, *, make: bool = False) -> Iterator[int]:
        """The parent folder of a path, opened without following links."""
        if path.is_absolute() or ".." in path.parts:
            raise PermissionError(f"{path.name} lies outside of the folder")
        fd = os.dup(self._fd)
        try:
            for name in path.parts[:-1]:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, dir_fd=fd)
                below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)


def _regular(fd: int) -> int:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise PermissionError("it is not a regular file")
    return fd


def _is_regular(name: str, fd: int) -> bool:
    with suppress(OSError):
        return stat.S_ISREG(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
    return False


def _exists(name: str, fd: int) -> bool:
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
