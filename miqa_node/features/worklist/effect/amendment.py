"""Sends people's decisions to archives: amended reports, and key objects that are withdrawn or made again.

Each decision is a row, which the first free process handles once. The work can be interrupted at any point: the same
decision gives the same objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from miqa_node.core.domain.delivery import ResultObject
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance, StudyInstanceUid
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.verdict import SPOT_CHECK, Disposition, Verdict
from miqa_node.core.domain.worklist import Review
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.verdict_score import judged
from miqa_node.errors import lacks_resources, place_of
from miqa_node.features.worklist.rows import reported_decisions
from miqa_node.features.worklist.rows.reported_decisions import UnreportedDecision
from miqa_node.runtime.site_records import study_notes
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.deliver import decliners, keep
from miqa_node.stages.conclusion.effects import Declining, DestinationsFor
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.deliver.rows.stated import NO_RESULTS, ResultQueue
from miqa_node.stages.units.again import amendments
from miqa_node.stages.units.base import Unit, UnitContext, installed, unit_of
from miqa_node.stages.units.rows import instances, reassessments

log = structlog.get_logger(__name__)

AT_ONCE = 20
NOT_REPORTED = Phrase("The archives were not informed of this decision: the report could not be made again.")


class Amendments:
    """Makes and queues the objects for decisions."""

    def __init__(
        self, context: UnitContext, destinations: DestinationsFor, units: Sequence[Unit] | None = None,
        declining: Declining = lambda _modality, _verdict: (), results: ResultQueue = NO_RESULTS,
    ) -> None:  # fmt: skip
        self._results = results
        self._context = context
        self._destinations, self._declining = destinations, declining
        self._units = installed() if units is None else units

    def make_due(self) -> int:
        """Report the waiting decisions, oldest first; returns their number."""
        with self._context.database.begin() as transaction:
            waiting = reported_decisions.due(transaction, limit=AT_ONCE)
        for decision in waiting:
            self._report(decision)
        return len(waiting)

    def _report(self, decision: UnreportedDecision) -> None:
        made: list[tuple[StoredInstance, ResultObject]] = []
        failed = False
        with self._context.database.begin() as transaction:
            judged = {digest: self._judged(transaction, digest) for digest in decision.reviews}
        for digest, review in decision.reviews.items():
            try:
                made += self._amend(digest, review)
            except Exception as error:
                if lacks_resources(error):
                    raise  # it can be made, and is made later
                failed = True
                log.error(
                    "decision not reported", digest=digest[:16], error=type(error).__name__, where=place_of(error)
                )
        now = datetime.now(UTC)
        with self._context.database.begin() as transaction:
            if not reported_decisions.still_waits(transaction, decision.number):
                return
            if any(self._judged(transaction, digest) != before for digest, before in judged.items()):
                return  # judged again meanwhile: its newest report is the one to amend, at the next look
            reported_decisions.mark(transaction, decision.number, now)
            for instance, result in made:
                deliveries.record_result(
                    transaction, instance.digest, result, now, instance.generation, decision=decision.number
                )
                declined = self._decliners(transaction, instance, decision)
                for destination in self._destinations(result.kind):
                    if destination not in declined:
                        deliveries.queue(transaction, result, destination, now)
            for digest, review in decision.reviews.items() if self._results.takers() else ():
                unit, announced = self._announced(transaction, digest)
                if announced is not None:
                    self._results.state(transaction, announced, now, is_series=unit.needs_others, review=review)
            if failed:
                study = StudyInstanceUid(decision.study_instance_uid)
                study_notes.note(transaction, study, "not reported", "", NOT_REPORTED, now)

    def _decliners(self, transaction: Transaction, instance: StoredInstance, decision: UnreportedDecision) -> set[str]:
        """Who takes flagged images only, and got no report of this one, gets it if a person rejects the image."""
        disposition = instances.load_disposition(transaction, instance.digest)
        verdict = Verdict.NOT_ASSESSED if disposition is None else disposition.verdict
        if any(one.resolution is not None and one.resolution.rejects for one in decision.reviews.values()):
            verdict = Verdict.REJECT
        elif verdict.flagged:  # whoever takes these has its report, or was not there yet
            verdict = Verdict.ACCEPT
        return decliners(transaction, self._declining, instance, unit_of(instance.header, self._units), verdict)

    def _judged(self, transaction: Transaction, digest: InstanceDigest) -> tuple[str, int]:
        """Which judgement of the image, or of its series, is the newest."""
        instance = instances.load(transaction, digest)
        if not unit_of(instance.header, self._units).needs_others:
            return digest, instance.generation
        newest = reassessments.representative(transaction, instance.header)
        return newest.digest, newest.generation

    def _amend(self, digest: InstanceDigest, review: Review) -> list[tuple[StoredInstance, ResultObject]]:
        context = self._context
        with context.database.begin() as transaction:
            unit, announced = self._announced(transaction, digest)
        if announced is None:
            return []  # a slice: the representative image reports its series
        made = amendments(unit, announced, review, context)
        return [(announced.instance, result) for result in keep(made, announced.instance, context)]

    def _announced(self, transaction: Transaction, digest: InstanceDigest) -> tuple[Unit, Judgement | None]:
        """The judgement of an image, or of its series, as reports tell it; None if another image stands for it."""
        instance = instances.load(transaction, digest)
        unit = unit_of(instance.header, self._units)
        if instance.generation and unit.needs_others:
            # More of its series may have been judged since, and is reported with another member.
            digest = InstanceDigest(reassessments.representative(transaction, instance.header).digest)
            instance = instances.load(transaction, digest)
        assessment = instances.load_assessment(transaction, digest)
        disposition = instances.load_disposition(transaction, digest)
        if assessment is None or disposition is None:
            return unit, None
        return unit, judged(instance, assessment, announced_of(disposition))


def announced_of(disposition: Disposition) -> Disposition:
    """The disposition for reports: it does not reveal that an accepted image was drawn for a spot check."""
    return replace(disposition, reasons=tuple(reason for reason in disposition.reasons if reason != SPOT_CHECK))
