"""Temporary folders of processes: a lock shows that the owner lives, so those of killed processes can be removed.

An owner that ends in order removes its folder itself; after ``kill -9`` it stays, with the sockets in it.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

LOCK = "owner"
PREFIXES = ("pymp-", "miqa-inference-", "miqa-demo-", "miqa-selftest-")
"""Of multiprocessing, for the fork server, of the inference process, and of nodes that run for a while."""

_held: list[int] = []
"""Locks of this process, until it ends; programs that it starts do not inherit them."""


def hold(folder: Path) -> None:
    """Show that this process uses a folder; nothing if another one has shown that before."""
    new = folder / f"{LOCK}-{os.getpid()}"  # appears under its name once it is locked
    with suppress(OSError):  # what cannot be locked is never swept
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.link(new, folder / LOCK)
        except OSError:
            os.close(fd)
        else:
            _held.append(fd)
        finally:
            new.unlink(missing_ok=True)


def sweep(parent: Path | None = None) -> int:
    """Remove this user's folders whose owner is gone; return their number. Folders without a lock file stay."""
    parent = parent or Path(tempfile.gettempdir())
    removed = 0
    for folder in (path for prefix in PREFIXES for path in parent.glob(f"{prefix}*")):
        with suppress(OSError):  # locked, or another process is sweeping, too
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                continue
            fd = os.open(folder / LOCK, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                rmtree(folder)
                removed += 1
            finally:
                os.close(fd)
    return removed
