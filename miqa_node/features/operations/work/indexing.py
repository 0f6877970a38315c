"""Reads the headers of new results and images, so searches find them without a delay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.parts import PartKind
from miqa_node.runtime.store import result_index
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork

INTERVAL_S = 20.0
BUDGET_S = 60.0
SPAN = timedelta(days=1)
"""Each look is at the images that arrived within this time; one at all images follows once in as long a time."""


class ResultIndexing(RegularWork):
    """Completes the index at intervals; a search adds newer objects itself."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        super().__init__("indexing", INTERVAL_S, "the index of results waits for the database")
        self._database = database
        self._objects = objects
        self._all_read_at = datetime.min.replace(tzinfo=UTC)

    def look(self) -> None:
        """Read the headers of new objects."""
        now = datetime.now(UTC)
        result_index.complete(self._database, self._objects, BUDGET_S)
        since = now - SPAN if now - self._all_read_at < SPAN else None
        if result_index.complete_sources(self._database, self._objects, BUDGET_S, since) and since is None:
            self._all_read_at = now


PART = PartKind("indexing", lambda context: ResultIndexing(context.database, context.objects))
