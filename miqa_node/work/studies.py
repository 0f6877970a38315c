"""Watches studies and announces those that have passed, once nothing more comes of them, or that people decided."""

from __future__ import annotations

from datetime import UTC, datetime

from miqa_node.store.announcements import Announcer
from miqa_node.store.database import Database
from miqa_node.work.regular import RegularWork

LOOK_INTERVAL_S = 1.0


class StudyWatch(RegularWork):
    """Looks once a second."""

    def __init__(self, database: Database, announcer: Announcer) -> None:
        super().__init__("study-watch", LOOK_INTERVAL_S, "announcements wait for the database")
        self._database = database
        self._announcer = announcer

    def look(self) -> int:
        """Announce what is due; how many studies."""
        with self._database.begin() as transaction:
            return self._announcer.look(transaction, datetime.now(UTC))
