"""Keeps the local copies of a bucket's objects within a limit: removes the least recently used, none in use."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

IN_USE_S = 3600.0
"""How long the path of a copy stays valid."""

SWEEP_INTERVAL_S = 60.0
"""Minimum time between two scans of the folder."""


class CopyLimit:
    """The limit of one folder; safe to share between threads and processes."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._swept_at = float("-inf")

    def used(self, copy: Path) -> Path:
        """Mark a copy as used now."""
        with suppress(OSError):
            os.utime(copy)
        return copy

    def keep(self) -> None:
        """Remove copies above the limit, and partial files of killed processes; does nothing if it ran recently."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if time.monotonic() - self._swept_at >= SWEEP_INTERVAL_S:
                self._swept_at = time.monotonic()
                self._sweep(time.time() - IN_USE_S)
        finally:
            self._lock.release()

    def _sweep(self, unused_since: float) -> None:
        copies, total = [], 0
        for copy in self._folder.rglob("*.*"):
            with suppress(FileNotFoundError):
                status = copy.stat()
                unfinished = copy.name.startswith(".")
                total += 0 if unfinished else status.st_size
                if status.st_mtime < unused_since and copy.is_file():
                    copies.append((not unfinished, status.st_mtime, status.st_size, copy))
        for whole, _, size, copy in sorted(copies):
            if whole and total <= self._max_bytes:
                return
            copy.unlink(missing_ok=True)
            total -= size if whole else 0
