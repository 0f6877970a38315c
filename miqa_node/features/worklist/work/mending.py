"""Has results made again that were found lost or damaged: by a lane before it sends them, or by fsck."""

from __future__ import annotations

import time

import structlog

from miqa_node.features.worklist.effect.remaking import Remaking
from miqa_node.parts import PartKind
from miqa_node.runtime.store import damages
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork

log = structlog.get_logger(__name__)

LOOK_INTERVAL_S = 5.0
AGAIN_S = 3600.0
"""Time until a result that could not be made is tried again."""


class ResultMending(RegularWork):
    """A thread that looks for them every few seconds."""

    def __init__(self, database: Database, remaking: Remaking) -> None:
        super().__init__("result-mending", LOOK_INTERVAL_S, "damaged results wait to be made again")
        self._database = database
        self._remaking = remaking
        self._failures: dict[str, float] = {}

    def look(self) -> int:
        """Mend what can be mended; return its number."""
        with self._database.begin() as transaction:
            keys = damages.results(transaction)
        self._failures = {key: at for key, at in self._failures.items() if key in keys}
        count = 0
        for key in keys:
            self._thread.beat()
            if time.monotonic() - self._failures.get(key, -AGAIN_S) < AGAIN_S:
                continue
            if self._remaking.mend(key):
                count += 1
            else:
                self._failures[key] = time.monotonic()
                log.error("a lost or damaged result cannot be made again", object=key.rpartition("/")[2])
        return count


PART = PartKind("mending", lambda context: ResultMending(context.database, Remaking(context.unit)))
