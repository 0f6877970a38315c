"""Files that appear under their names when they are complete, or not at all."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = re.compile(r"\.miqa-[0-9a-f]{32}\.part")
"""Names of files that are being written, or were when a process was killed."""


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
