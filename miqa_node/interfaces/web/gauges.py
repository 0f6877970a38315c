"""Prometheus gauges with counts from the database."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Lock

import structlog

from miqa_node.errors import MiqaError
from miqa_node.runtime.store.database import Database
from miqa_node.stages.conclusion.gauge import GAUGES

MIN_REFRESH_S = 5.0
"""Minimum time between two counts, however many clients scrape."""

log = structlog.get_logger(__name__)


class DatabaseGauges:
    """What the gauges of the seam count, for ``/metrics``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._counts = {kind.name: kind.open() for kind in GAUGES.all().values()}
        self._counted_at = -MIN_REFRESH_S

    def refresh(self) -> None:
        """Count again, unless the last count is more recent than MIN_REFRESH_S."""
        with self._lock:
            now = time.monotonic()
            if now - self._counted_at < MIN_REFRESH_S:
                return
            self._counted_at = now
            try:
                self._count()
            except MiqaError as error:
                log.warning("metrics are not counted", error=error)

    def _count(self) -> None:
        for name, count in self._counts.items():
            try:
                with self._database.begin() as transaction:
                    count(transaction, datetime.now(UTC))
            except MiqaError:
                raise  # the database does not answer
            except Exception:  # one gauge must not hide the others
                log.exception("a metric is not counted", gauge=name)
