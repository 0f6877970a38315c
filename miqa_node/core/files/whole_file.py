"""Files that appear under their names when they are complete, or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = re.compile(r"\.miqa-[0-9a-f]{32}\.part")
"""Names of files that are being written, or were when a process was killed."""
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})
"""What file systems without hard links answer, such as the FAT of memory sticks."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """The path to write to; it becomes ``path`` at the end of the block. OSError names ``path``.

    A full disk, or the loss of power, leaves no empty file, and the file of that name as it was. Devices and pipes are
    written as they are.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    target = path.resolve()
    part = target.with_name(f".miqa-{uuid.uuid4().hex}.part")
    try:
        part.touch()
        if target.exists():
            shutil.copymode(target, part)
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(target)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file at once; text is UTF-8."""
    with whole_file(path) as file:
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def write_once(path: Path, content: bytes) -> None:
    """Write a secret atomically, or keep the one that another process has just written."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            return
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if not path.exists():
                part.replace(path)
    finally:
        part.unlink(missing_ok=True)
