"""Watches studies and announces those that have passed, once nothing more comes of them, or that people decided."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import structlog

from miqa_node.errors import ResourcesError
from miqa_node.store.announcements import Announcer
from miqa_node.store.database import Database

log = structlog.get_logger(__name__)

LOOK_INTERVAL_S = 1.0


class StudyWatch:
    """A thread that looks once a second; several processes may look at the same database."""

    def __init__(self, database: Database, announcer: Announcer) -> None:
        self._database = database
        self._announcer = announcer
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="study-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is not announced yet is found by the next look, of whatever process."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self) -> int:
        """Announce what is due; how many studies."""
        with self._database.begin() as transaction:
            return self._announcer.look(transaction, datetime.now(UTC))

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_INTERVAL_S):
            try:
                self.look()
            except ResourcesError as error:
                log.warning("announcements wait for the database", error=str(error))
