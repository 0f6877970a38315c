"""Watches CT and MR series and promises their jobs once they are quiet or complete.

What waits is in the database, and ending the wait and promising the job are one transaction: a process that dies in
between leaves the series waiting, and the next look finds it again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime

import structlog

from miqa_node.domain.ports import JobQueue
from miqa_node.errors import ResourcesError
from miqa_node.settings import WorkSettings
from miqa_node.store import series
from miqa_node.store.database import Database

log = structlog.get_logger(__name__)

LOOK_INTERVAL_S = 1.0


class SeriesWatch:
    """A thread that looks once a second; several processes may look at the same database."""

    def __init__(self, database: Database, queue: JobQueue, settings: WorkSettings) -> None:
        self._database = database
        self._queue = queue
        self._quiet_s: Mapping[str, float] = {"CT": settings.ct_quiet_s, "MR": settings.mr_quiet_s}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="series-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; what waits goes on waiting."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self) -> int:
        """Promise the jobs of all series that are due; how many there were."""
        with self._database.begin() as transaction:
            if not series.any_pending(transaction):
                return 0
            due = series.take_due(transaction, self._quiet_s, datetime.now(UTC))
            for digest in due:
                self._queue.enqueue_assess(transaction, digest)
        return len(due)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_INTERVAL_S):
            try:
                self.look()
            except ResourcesError as error:
                log.warning("series wait for the database", error=str(error))
