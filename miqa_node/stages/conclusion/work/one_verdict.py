"""Gives series one verdict each that an earlier version judged twice: once after each start, a study at a time."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from miqa_node.parts import PartKind
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.conclusion.rows import double_verdicts

log = structlog.get_logger(__name__)

INTERVAL_S = 1.0
BATCH = 50


class OneVerdict(RegularWork):
    """A thread that walks through the studies with several judged slices, and then rests."""

    def __init__(self, database: Database) -> None:
        super().__init__("one-verdict", INTERVAL_S, "series with several verdicts wait for the database")
        self._database = database
        self._after: str | None = ""

    def look(self) -> int:
        """Unite the verdicts of some series; returns their number."""
        if self._after is None:
            return 0
        with self._database.begin() as transaction:
            studies = double_verdicts.studies(transaction, self._after, BATCH)
        count = 0
        for study in studies:
            with self._database.begin() as transaction:
                count += double_verdicts.unite(transaction, study, datetime.now(UTC))
            self._after = study
        if not studies:
            self._after, self._pause_s = None, 3600.0
        if count:
            log.info("series that were judged twice have one verdict now", series=count)
        return count


PART = PartKind("one_verdict", lambda context: OneVerdict(context.database))
