"""Has images judged again of which a better copy came: first one with lossy compression, then one without."""

from __future__ import annotations

from datetime import UTC, datetime

from miqa_node.core.domain.ports import JobQueue
from miqa_node.parts import PartKind
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.units.base import installed
from miqa_node.stages.units.copies import judge_better
from miqa_node.stages.units.rows import copies

LOOK_INTERVAL_S = 5.0
BATCH = 200


class BetterCopies(RegularWork):
    """A thread that polls every few seconds: an image is judged again only after its first verdict."""

    def __init__(self, database: Database, queue: JobQueue) -> None:
        super().__init__("better-copies", LOOK_INTERVAL_S, "better copies of images wait for the database")
        self._database, self._queue, self._units = database, queue, installed()

    def look(self) -> int:
        """Enqueue new judgements; return their number."""
        with self._database.begin() as transaction:
            waiting = copies.better(transaction, BATCH)
            if not waiting:
                return 0
            return judge_better(transaction, waiting, self._units, self._queue, datetime.now(UTC))


PART = PartKind("better_copies", lambda context: BetterCopies(context.database, context.queue))
