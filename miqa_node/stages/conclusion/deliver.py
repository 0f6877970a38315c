"""Makes the DICOM objects that carry the verdict, and queues them for the destinations that subscribe to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import structlog

from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.instance import StoredInstance
from miqa_node.core.domain.output import default_kinds, output_kinds
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.observe.stages import StageClock
from miqa_node.errors import lacks_resources, place_of
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.conclusion.base import Conclusion, Effect
from miqa_node.stages.conclusion.effects import Declining, DestinationsFor, EffectKind
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.deliver.rows.results import any_about
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.units.again import withdrawals
from miqa_node.stages.units.attempts import stored_damage
from miqa_node.stages.units.base import Unit, UnitContext

log = structlog.get_logger(__name__)

REPORT_FAILED = Phrase("The report could not be made from this object's header; the result was not sent to the PACS.")


def kinds_to_make(destinations: DestinationsFor) -> set[ResultKind]:
    """The kinds of objects to make: the default ones, and those that a destination names."""
    return set(default_kinds()) | {kind for kind in output_kinds() if destinations(kind)}


class DeliveryEffect(Effect):
    """The result objects. ``deliver.lanes`` sends the queued objects."""

    def __init__(
        self, context: UnitContext, destinations: DestinationsFor, declining: Declining = lambda _modality, _verdict: ()
    ) -> None:
        self._context = context
        self._destinations = destinations
        self._declining = declining

    def prepare(self, conclusion: Conclusion) -> Conclusion:
        """Make and store the objects. If a report fails, the study is flagged, so that its verdict stays visible."""
        if conclusion.disposition.silent:
            return conclusion
        clock = StageClock()
        try:
            results = clock.time("report", lambda: self._make(conclusion))
        except Exception as error:
            if lacks_resources(error):
                raise  # it can be made, and is made later
            # A foreign header can make a writer fail in any way, and so can an original that was lost or damaged.
            text = stored_damage(conclusion.instance, (conclusion.unit,), self._context) or REPORT_FAILED
            digest = conclusion.instance.digest[:16]
            log.error("report failed", digest=digest, error=type(error).__name__, where=place_of(error))
            return conclusion.decided(
                _with_failure(conclusion.disposition, text), _with_failure(conclusion.announced, text)
            )
        return replace(conclusion, results=results, timings_ms={**conclusion.timings_ms, **clock.milliseconds})

    def apply(self, transaction: Transaction, conclusion: Conclusion) -> None:
        """Queue them, but not for destinations that decline them."""
        instance, verdict = conclusion.instance, conclusion.announced.verdict
        declined = decliners(transaction, self._declining, instance, conclusion.unit, verdict)
        for result in conclusion.results:
            deliveries.record_result(transaction, instance.digest, result, conclusion.decided_at, instance.generation)
            for destination in self._destinations(result.kind):
                if destination not in declined:
                    deliveries.queue(transaction, result, destination, conclusion.decided_at)

    def _make(self, conclusion: Conclusion) -> list[ResultObject]:
        if conclusion.is_reported:
            made = conclusion.unit.outputs(conclusion.announcement, self._context)
        else:
            made = withdrawals(conclusion.announcement, self._context, conclusion.members)
        return keep(made, conclusion.instance, self._context)


def decliners(
    transaction: Transaction, declining: Declining, instance: StoredInstance, unit: Unit, verdict: Verdict
) -> set[str]:
    """The destinations that decline a verdict; not those that were sent a report of it, which a new one amends."""
    header = instance.header
    series = header.series_instance_uid if unit.needs_others else ""
    names = declining(header.modality, verdict)
    return {name for name in names if not any_about(transaction, name, instance.digest, series)}


def keep(objects: Iterable[MadeObject], instance: StoredInstance, context: UnitContext) -> list[ResultObject]:
    """Store the files of objects made for an instance."""
    store, made_with = context.artifacts.keep_result, context.reporting.settings.kept()
    return [
        ResultObject(
            one.sop_instance_uid, one.sop_class_uid, one.kind, store(instance.digest, one.sop_instance_uid, one.data),
            made_with=made_with,
        ).of(one.data)
        for one in objects
    ]  # fmt: skip


def _with_failure(disposition: Disposition, text: str) -> Disposition:
    reason = Reason("report_failed", text, OTHER_FAILURE, disposition.verdict)
    return replace(disposition, reasons=(*disposition.reasons, reason), attention=True)


KIND = EffectKind("deliver", lambda context: DeliveryEffect(context.unit, context.taking, context.declining), order=20)
