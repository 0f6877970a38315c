"""Gives series one verdict each that an earlier version judged twice: once after each start, a study at a time.

Key objects that hold no longer are withdrawn; neither reports nor messages are sent again.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from miqa_node.core.domain.delivery import ResultObject
from miqa_node.core.domain.instance import StudyInstanceUid
from miqa_node.errors import lacks_resources, place_of
from miqa_node.parts import PartKind
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.conclusion.deliver import keep
from miqa_node.stages.conclusion.effects import DestinationsFor
from miqa_node.stages.conclusion.rows import double_verdicts
from miqa_node.stages.conclusion.rows.double_verdicts import Unity
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.again import withdrawals
from miqa_node.stages.units.base import UnitContext

log = structlog.get_logger(__name__)

INTERVAL_S = 1.0
REST_S = 3600.0
"""Between two looks once all studies have been walked through."""
BATCH = 50


class OneVerdict(RegularWork):
    """A thread that walks through the studies with several judged slices, and then rests."""

    def __init__(self, context: UnitContext, destinations: DestinationsFor) -> None:
        super().__init__("one-verdict", INTERVAL_S, "series with several verdicts wait for the database")
        self._context, self._database, self._destinations = context, context.database, destinations
        self._after: str | None = ""

    def look(self) -> int:
        """Unite the verdicts of some series; returns their number."""
        if self._after is None:
            return 0
        with self._database.begin() as transaction:
            studies = double_verdicts.studies(transaction, self._after, BATCH)
        count = 0
        for study in studies:
            count += self._unite(study)
            self._after = study
        if not studies:
            self._after, self._pause_s = None, REST_S
        if count:
            log.info("series that were judged twice have one verdict now", series=count)
        return count

    def _unite(self, study: StudyInstanceUid) -> int:
        with self._database.begin() as transaction:
            doubles = double_verdicts.doubles(transaction, study)
        for series in doubles:
            withdrawn, now, instance = self._withdrawn(series), datetime.now(UTC), series.judgement.instance
            with self._database.begin() as transaction:
                double_verdicts.unite(transaction, series, now)
                for result in withdrawn:
                    deliveries.record_result(transaction, instance.digest, result, now, instance.generation)
                    for destination in self._destinations(result.kind):
                        deliveries.queue(transaction, result, destination, now)
        return len(doubles)

    def _withdrawn(self, series: Unity) -> list[ResultObject]:
        try:
            made = withdrawals(series.judgement, self._context, series.others)
            return keep(made, series.judgement.instance, self._context)
        except Exception as error:
            if lacks_resources(error):
                raise  # they can be made, and are made later
            digest = series.judgement.instance.digest[:16]
            log.error("key object not withdrawn", digest=digest, error=type(error).__name__, where=place_of(error))
            return []


PART = PartKind("one_verdict", lambda context: OneVerdict(context.unit, context.destinations.taking))
