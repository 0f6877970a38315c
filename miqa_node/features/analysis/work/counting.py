"""Background counts for the analysis: changed days, measurements, and the selection for second readings."""

from __future__ import annotations

from datetime import UTC, datetime

from miqa_node.core.settings import AnalysisSettings
from miqa_node.features.analysis.rows import measurement_weeks, rollup
from miqa_node.parts import PartKind
from miqa_node.runtime.site_records import label_requests
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork

BATCH = 500
"""Images that one transaction counts or draws from."""


class AnalysisCounter(RegularWork):
    """Counts at intervals, in one process at a time."""

    def __init__(self, database: Database, settings: AnalysisSettings) -> None:
        super().__init__("counting", settings.count_interval_s, "counting waits for the database")
        self._database = database
        self._settings = settings

    def look(self) -> None:
        """Count everything new."""
        with self._database.begin() as transaction:
            rollup.refresh(transaction, datetime.now(UTC))
        self._count_measurements()
        if self._settings.second_reader_share > 0.0:
            self._draw()

    def _count_measurements(self) -> None:
        while not self._stopping.is_set():
            self._thread.beat()
            with self._database.begin() as transaction:
                if measurement_weeks.count(transaction, limit=BATCH) < BATCH:
                    return

    def _draw(self) -> None:
        share = self._settings.second_reader_share
        with self._database.begin() as transaction:
            label_requests.draw_second_readings(transaction, share, datetime.now(UTC), limit=BATCH)


PART = PartKind("counting", lambda context: AnalysisCounter(context.database, context.settings.analysis))
