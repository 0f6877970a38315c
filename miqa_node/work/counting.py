"""Counts for the analysis beside the way of images: days that changed, measurements, and who is read a second time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import structlog

from miqa_node.errors import ResourcesError
from miqa_node.settings import AnalysisSettings
from miqa_node.store import label_requests, measurement_weeks, rollup
from miqa_node.store.database import Database

log = structlog.get_logger(__name__)


class Counting:
    """A thread that counts now and then; several processes may, and then one of them does."""

    def __init__(self, database: Database, settings: AnalysisSettings) -> None:
        self._database = database
        self._settings = settings
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="counting", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is half counted is counted again after the next start."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def count(self) -> None:
        """Count everything that is new."""
        with self._database.begin() as transaction:
            rollup.refresh(transaction, datetime.now(UTC))
        self._count_measurements()
        if self._settings.second_reader_share > 0.0:
            self._draw()

    def _count_measurements(self) -> None:
        batch = self._settings.count_batch
        while not self._stopping.is_set():
            with self._database.begin() as transaction:
                if measurement_weeks.count(transaction, limit=batch) < batch:
                    return

    def _draw(self) -> None:
        share, batch = self._settings.second_reader_share, self._settings.count_batch
        with self._database.begin() as transaction:
            label_requests.draw_second_readings(transaction, share, datetime.now(UTC), limit=batch)

    def _run(self) -> None:
        while not self._stopping.wait(self._settings.count_interval_s):
            try:
                self.count()
            except ResourcesError as error:
                log.warning("counting waits for the database", error=str(error))
