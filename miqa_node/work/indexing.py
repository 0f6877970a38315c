"""Reads the headers of new results and images, so searches find them without a delay."""

from __future__ import annotations

from miqa_node.domain.ports import ObjectStore
from miqa_node.store import result_index
from miqa_node.store.database import Database
from miqa_node.work.regular import RegularWork

INTERVAL_S = 20.0
BUDGET_S = 60.0


class ResultIndexing(RegularWork):
    """Completes the index at intervals; a search adds newer objects itself."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        super().__init__("indexing", INTERVAL_S, "the index of results waits for the database")
        self._database = database
        self._objects = objects

    def look(self) -> None:
        """Read the headers of new objects."""
        result_index.complete(self._database, self._objects, BUDGET_S)
        result_index.complete_sources(self._database, self._objects, BUDGET_S)
