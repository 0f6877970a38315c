"""Adds new results to the history of their scanners, in the background and in one process at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import structlog

from miqa_node.core.domain.scanner_protocol import AUTHORITY
from miqa_node.features.usual_ranges.rows import changes, history, hospitals
from miqa_node.parts import PartKind
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.work.regular import RegularWork

LOOK_INTERVAL_S = 30.0
BATCH = 100
MARK_AGE = timedelta(hours=1)
"""An idle node writes its mark no more often."""

log = structlog.get_logger(__name__)


class HistoryWork(RegularWork):
    """A thread that reads new verdicts at intervals; ``budget`` is the share of images that a range may flag."""

    def __init__(self, database: Database, budget: float, interval_s: float = LOOK_INTERVAL_S) -> None:
        super().__init__("usual-ranges", interval_s, "usual ranges wait for the database")
        self._database, self._budget = database, budget

    def look(self) -> int:
        """Add everything new; return the number of series."""
        now, added = datetime.now(UTC), 0
        with self._database.begin() as transaction:
            marks = history.marks(transaction)
        mark = marks.read_at
        if marks.is_placing_due:
            self._place(now)
        place: history.Place | None = history.Place(mark - history.OVERLAP)
        while place is not None and not self._stopping.is_set():
            self._thread.beat()
            with self._database.begin() as transaction:
                if not history.is_alone(transaction):
                    return added
                measured, place = history.read(transaction, place, BATCH)
                if measured:
                    self._add(transaction, measured)
                added += len(measured)
                if place is None and now > mark and (measured or now - mark > MARK_AGE):
                    history.set_mark(transaction, now)
            self._renew({one.protocol.baseline for one in measured})
        return added

    def _place(self, now: datetime) -> None:
        """Give series to the histories of their hospitals."""
        with self._database.begin() as transaction:
            moves = hospitals.moves(transaction)
        for one in moves:
            if self._stopping.is_set():
                return
            with self._database.begin() as transaction:
                if not history.is_alone(transaction):
                    return
                changed = hospitals.move(transaction, one)
            self._renew(changed)
        with self._database.begin() as transaction:
            history.set_mark(transaction, now, history.HOSPITALS_MARK)

    def _renew(self, changed: Iterable[str]) -> None:
        """Make ranges anew."""
        for baseline in sorted(changed):
            self._thread.beat()
            with self._database.begin() as transaction:  # of its own: nothing is locked while ranges are made
                history.renew(transaction, baseline, self._budget)

    def _add(self, transaction: Transaction, measured: list[history.MeasuredSeries]) -> None:
        for one in history.add(transaction, measured):
            first_at = next(of.numbers.at for of in measured if of.protocol == one)
            for change in changes.changes_at(transaction, one, first_at):
                if change.attribute != AUTHORITY:  # is no matter for logs, and may be another hospital's scanner
                    log.info(
                        "a scanner changed, so what is usual on it is found anew",
                        station=change.station, attribute=change.attribute, before=change.before, now=change.now,
                    )  # fmt: skip


PART = PartKind("usual_ranges", lambda context: HistoryWork(context.database, context.settings.policy.room_budget))
