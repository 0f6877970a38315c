"""Watches studies and announces passed ones once they are quiet, and those that readers decided."""

from __future__ import annotations

from datetime import UTC, datetime

from miqa_node.parts import PartKind
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.deliver.rows.announcements import Announcer

LOOK_INTERVAL_S = 2.0
STUCK_AFTER_S = 300.0


class StudyWatch(RegularWork):
    """A thread that polls every two seconds."""

    def __init__(self, database: Database, announcer: Announcer) -> None:
        super().__init__("study-watch", LOOK_INTERVAL_S, "announcements wait for the database", STUCK_AFTER_S)
        self._database = database
        self._announcer = announcer

    def look(self) -> int:
        """Announce due studies; return their number."""
        with self._database.begin() as transaction:
            return self._announcer.look(transaction, datetime.now(UTC))


PART = PartKind("studies", lambda context: StudyWatch(context.database, context.announcer))
