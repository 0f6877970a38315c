"""Wake-ups between processes on one SQLite database: a file for each topic, whose time is that of the last event.

SQLite has no notifications. Looking at a file's time costs a hundredth of a query.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path


class WakeUpFiles:
    """One file for each topic, named like the database's own files: ``miqa.sqlite-jobs.bell``."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._looking = threading.Lock()
        self._times: dict[str, int] = {}
        self._paths: dict[str, Path] = {}

    def announce(self, topic: str) -> None:
        """Tell other processes. Where the file cannot be written they learn of it by polling."""
        # A thread that looks between the two steps would take this process's own event for another's.
        with suppress(OSError), self._looking:
            path = self._path(topic)
            path.touch(0o600)
            self._times[topic] = path.stat().st_mtime_ns

    def has_news(self, topic: str) -> bool:
        """Whether another process announced an event since the last call; the first call only remembers the time."""
        with self._looking:
            try:
                now = self._path(topic).stat().st_mtime_ns
            except OSError:
                now = 0
            before = self._times.setdefault(topic, now)
            self._times[topic] = now
        return now != before

    def _path(self, topic: str) -> Path:
        if topic not in self._paths:  # making a path takes longer than looking at its time
            self._paths[topic] = self._database.with_name(f"{self._database.name}-{topic}.bell")
        return self._paths[topic]
