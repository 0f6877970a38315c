"""Queues results for destinations that take these rather than files, with the verdict or with a person's decision.

What is sent of a result is the body of an event of its image (docs/adr/0009), one for each destination.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from miqa_node.core.domain.delivery import DeliveryState, EventNotice
from miqa_node.core.domain.event import EventOrigin
from miqa_node.core.domain.instance import StudyRecord
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.worklist import Review
from miqa_node.errors import place_of
from miqa_node.runtime.people import patients
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import deliveries as sent
from miqa_node.runtime.store.tables import events, instances, studies
from miqa_node.stages.deliver.result import RESULT, ResultContent, ResultStatus
from miqa_node.stages.deliver.rows import deliveries

if TYPE_CHECKING:  # commands that only read the worklist do not load what sends
    from miqa_node.stages.deliver.kinds.base import DestinationConfig

log = structlog.get_logger(__name__)

Destinations = Callable[[], "Mapping[str, DestinationConfig]"]
"""The destinations in force, by name."""
IS_RESULT = events.c.event_type.startswith(RESULT)


@dataclass(frozen=True, slots=True)
class ResultQueue:
    """Puts results into the outbox."""

    destinations: Destinations
    origin: EventOrigin

    def takers(self) -> Mapping[str, DestinationConfig]:
        """The destinations that take results, by name."""
        return {name: one for name, one in self.destinations().items() if one.takes_results}

    def state(
        self, transaction: Transaction, judgement: Judgement, now: datetime, *, is_series: bool,
        review: Review | None = None,
    ) -> None:  # fmt: skip
        """Queue the result of a verdict, or of a decision about it; repeating it changes nothing."""
        if not (takers := self.takers()):
            return
        study, digest = _study(transaction, judgement), judgement.instance.digest
        for name, config in takers.items():
            parts = self.origin.node, name, digest, judgement.instance.generation, judgement.disposition.verdict.value
            made = hashlib.sha256("\n".join(map(str, (*parts, review and review.number))).encode()).digest()
            result_id = base64.b32encode(made).decode()[:20]
            former = _former(transaction, judgement, name, result_id, is_series=is_series)
            result = ResultContent(
                result_id, ResultStatus.FINAL, bool(former), now, self.origin, study, judgement, is_series, review
            )
            if former - {ResultStatus.PRELIMINARY}:
                result = replace(result, status=ResultStatus.CORRECTED)
            elif result.is_flagged and (review is None or review.resolution is None):
                result = replace(result, status=ResultStatus.PRELIMINARY)
            try:
                body = config.state(result)
            except Exception as error:  # noqa: BLE001 - the verdict does not depend on a plug-in
                log.error("result not stated", destination=name, error=type(error).__name__, where=place_of(error))
                continue
            if body is not None:
                notice = EventNotice(result_id, RESULT + result.status)
                row = {"event_id": result_id, "event_type": notice.event_type, "digest": digest, "occurred_at": now}
                insert_or_ignore(transaction, events, row | {"body": body})
                deliveries.queue(transaction, notice, name, now)


NO_RESULTS = ResultQueue(dict, EventOrigin())
"""Nobody takes results."""


def _study(transaction: Transaction, judgement: Judgement) -> StudyRecord:
    uid = judgement.instance.header.study_instance_uid
    row = transaction.execute(sa.select(studies).where(studies.c.study_instance_uid == uid)).one()
    of = patients.of_image(transaction, judgement.instance.digest)
    return StudyRecord(
        uid, row.accession_number, of.key.patient_id if of else row.patient_id, of.patient_name if of else "",
        row.study_date, row.study_description, patient_birth_date=of.patient_birth_date if of else "",
        authority=of.key.authority if of else None,
    )  # fmt: skip


def _former(
    transaction: Transaction, judgement: Judgement, name: str, result_id: str, *, is_series: bool
) -> set[ResultStatus]:
    """How final the former results of the image, or of the series, were that a destination got or is to get."""
    header, image = judgement.instance.header, instances.c
    series = image.series_instance_uid == header.series_instance_uid
    query = (
        sa.select(events.c.event_type)
        .join(sent, sent.c.event_id == events.c.event_id)
        .join(instances, image.digest == events.c.digest)
        .where(series if is_series else image.digest == judgement.instance.digest, IS_RESULT)
        .where(sent.c.destination == name, events.c.event_id != result_id)
        .where(sent.c.state != DeliveryState.CANCELLED.value)
    )
    return {ResultStatus(one.removeprefix(RESULT)) for one in transaction.execute(query).scalars()}
