"""Watches series and enqueues their jobs once they are quiet or complete.

Waiting series are in the database; one transaction ends the wait and enqueues the job. If a process dies in between,
the series still waits, and the next poll resumes it.
"""

from __future__ import annotations

from collections import ChainMap
from datetime import UTC, datetime

from miqa_node.core.domain.ports import JobQueue
from miqa_node.core.settings import WorkSettings
from miqa_node.parts import PartContext, PartKind
from miqa_node.runtime.store.database import ARRIVALS, Database
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.units.base import installed
from miqa_node.stages.units.rows import series

LOOK_INTERVAL_S = 1.0
IDLE_INTERVAL_S = 5.0
"""While no series waits: the first instance of one wakes the thread, and so does the last if the header counts them."""
STUCK_AFTER_S = 300.0


class SeriesWatch(RegularWork):
    """A thread that polls once a second while series wait."""

    def __init__(self, database: Database, queue: JobQueue, settings: WorkSettings) -> None:
        super().__init__("series-watch", LOOK_INTERVAL_S, "series wait for the database", STUCK_AFTER_S)
        self._database = database
        self._queue = queue
        by_modality = ChainMap(*(dict(unit.quiet_s(settings)) for unit in installed()))
        self._quiet = series.QuietTimes(by_modality, settings.sender_quiet_s)

    def look(self) -> int:
        """Enqueue the jobs of all due series; return their number."""
        with self._database.begin() as transaction:
            if not series.any_pending(transaction):
                self._pause_s = IDLE_INTERVAL_S
                return 0
            self._pause_s = LOOK_INTERVAL_S
            due = series.take_due(transaction, self._quiet, datetime.now(UTC))
            for digest in due:
                self._queue.enqueue_assess(transaction, digest)
        return len(due)


def _open(context: PartContext) -> SeriesWatch:
    watch = SeriesWatch(context.database, context.queue, context.settings.work)
    context.database.on_commit(ARRIVALS, watch.wake)
    return watch


PART = PartKind("series", _open)
