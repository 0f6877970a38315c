"""Makes results again whose stored files are lost or damaged.

UIDs are derived and nothing in a result depends on the time at which it is made, so the same assessment and verdict
give the same object, with the settings that are kept with it. What an archive may have is never made differently: a
result whose bytes cannot be had again stays lost, and people are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from miqa_node.core.domain.delivery import REJECTION
from miqa_node.core.domain.object_store import Soundness
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.verdict_score import judged
from miqa_node.errors import lacks_resources, place_of
from miqa_node.features.worklist.decision import note_of
from miqa_node.features.worklist.effect.amendment import announced_of
from miqa_node.features.worklist.rows import decisions, reported_decisions
from miqa_node.runtime.store import damages
from miqa_node.stages.deliver.rows import deliveries, results
from miqa_node.stages.deliver.rows.results import ResultOrigin
from miqa_node.stages.report.lower import lower_class
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.units.again import amendments
from miqa_node.stages.units.base import Unit, UnitContext, installed, unit_of
from miqa_node.stages.units.rows import instances, judgements

log = structlog.get_logger(__name__)

LOST = Phrase(
    "The stored file of this result is lost, and the archive may have it: it cannot be made again with the same bytes. "
    "Judge the image again: the new report replaces this one."
)


class Remaking:
    """Mends results."""

    def __init__(self, context: UnitContext, units: Sequence[Unit] | None = None) -> None:
        self._context = context
        self._units = installed() if units is None else units

    def mend(self, object_key: str) -> bool:
        """Make the result of a key again, unless it is sound; False if it cannot be made."""
        context, now = self._context, datetime.now(UTC)
        with context.database.begin() as transaction:
            row = results.find(transaction, object_key)
        if row is not None and context.artifacts.verify_result(row.result) is not Soundness.SOUND:
            data = self._make(row)
            if data is None or not self._may_stand(row, data):
                return False
            context.artifacts.mend_result(object_key, data)
            with context.database.begin() as transaction:
                results.note_file(transaction, row.result.of(data))
                deliveries.send_soon(transaction, row.result.sop_instance_uid, now)
            log.info("a lost or damaged result was made again", sop_instance_uid=row.result.sop_instance_uid)
        with context.database.begin() as transaction:
            damages.clear(transaction, [object_key])
        return True

    def _may_stand(self, origin: ResultOrigin, data: bytes) -> bool:
        """Whether these are the bytes that were recorded, or no archive can have others under the same UID."""
        result = origin.result
        if result.sha256 == result.of(data).sha256:
            return True
        with self._context.database.begin() as transaction:
            if not results.may_have_arrived(transaction, result.sop_instance_uid):
                return True
            deliveries.give_up(transaction, result.sop_instance_uid, LOST)
        log.error("a sent result cannot be made again, the same", sop_instance_uid=result.sop_instance_uid)
        return False

    def _make(self, origin: ResultOrigin) -> bytes | None:
        """The bytes of a result; None if it cannot be made."""
        uid = origin.result.sop_instance_uid
        try:
            if origin.result.kind == REJECTION and origin.decision is not None:
                candidates = self._note(origin, origin.decision)
            else:
                candidates = self._candidates(origin)
            return next((data for name, data in candidates if name == uid), None)
        except Exception as error:
            if lacks_resources(error):
                raise
            log.error("a result could not be made again", error=type(error).__name__, where=place_of(error))
            return None

    def _note(self, origin: ResultOrigin, decision: int) -> Iterator[tuple[str, bytes]]:
        """The same of the rejection note of a person's decision, which says all that it was made from."""
        artifacts, settings = self._context.artifacts, self._context.reporting.settings
        with self._context.database.begin() as transaction:
            rejection = decisions.rejection(transaction, decision)
            images = [instances.load(transaction, digest) for digest in rejection.images]
            judgement = judgements.judgement(transaction, origin.digest, origin.generation)
        if judgement is None:
            return
        paths = [artifacts.path(image.object_key) for image in images]
        plain = ReportSettings(settings.node_name, zone=settings.zone).as_kept(origin.result.made_with)
        note = note_of(rejection, paths, judgement.assessment, plain)
        yield note.sop_instance_uid, note.data

    def _candidates(self, origin: ResultOrigin) -> Iterator[tuple[str, bytes]]:
        """(SOP Instance UID, file) of what is made of the same judgement or decision, also in lower classes."""
        kinds = self._context.reporting.kinds
        settings = self._context.reporting.settings.as_kept(origin.result.made_with)
        reporting = replace(self._context.reporting, settings=settings, kinds=lambda: {*kinds(), origin.result.kind})
        context = replace(self._context, reporting=reporting, results_before=origin.made_at)
        with context.database.begin() as transaction:
            judgement = judgements.judgement(transaction, origin.digest, origin.generation)
            review = None
            if origin.decision is not None:
                review = reported_decisions.review_of(transaction, origin.decision, origin.digest)
        if judgement is None:
            return
        unit = unit_of(judgement.instance.header, self._units)
        announced = judged(judgement.instance, judgement.assessment, announced_of(judgement.disposition))
        objects = unit.outputs(announced, context) if review is None else amendments(unit, announced, review, context)
        yield from ((one.sop_instance_uid, one.data) for one in objects)
        for one in objects:
            lower = lower_class(one.data)
            while lower is not None:
                yield lower[1], lower[2]
                lower = lower_class(lower[2])
