"""Objects that no other unit covers: images such as ultrasound and cine runs, and objects without pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.instance import Header, ReceivedObject, StoredInstance
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.ports import AssessorResult, JobQueue
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.phrase import Phrase
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.report.image import series_report_uid
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.make import ReportSubject
from miqa_node.stages.units.again import earlier_reports
from miqa_node.stages.units.base import Unit, UnitContext, not_assessed
from miqa_node.stages.units.image import image_outputs, judge_image, make, reported_image, with_kind
from miqa_node.stages.units.kinds import is_capture, is_image, is_own, unfit_reason
from miqa_node.stages.units.rows import fragments, series

NOT_AN_IMAGE = Phrase("The object is not an image.")


class OtherUnit(Unit):
    """Images are measured and judged as far as possible, and reported, if only with a reason."""

    name = "other"
    is_last_resort = True

    def covers(self, header: Header) -> bool:  # noqa: ARG002
        """Every object."""
        return True

    def admit(self, transaction: Transaction, header: Header, received: ReceivedObject, queue: JobQueue) -> None:
        """A capture waits for the slices that it is beside, since their report counts it."""
        if is_capture(header):
            series.arrive(transaction, header, received.received_at, alone=True)
        else:
            super().admit(transaction, header, received, queue)

    def judge(self, instance: StoredInstance, context: UnitContext) -> AssessorResult:
        """The result of the models; NOT_ASSESSED if the object is not an image."""
        header = instance.header
        if not is_image(header):
            return not_assessed(instance, NOT_AN_IMAGE)
        return with_kind(judge_image(instance, context), header, unfit_reason(header))

    def outputs(self, judgement: Judgement, context: UnitContext) -> Sequence[MadeObject]:
        """As for a projection image, but unassessed images of a series share one report.

        Nothing for an object without pixels, and for a picture from this node.
        """
        instance = judgement.instance
        if not is_image(instance.header) or is_own(instance.header):
            return ()
        if not _shares_report(judgement) or (instance.generation and earlier_reports(instance, context)):
            return image_outputs(judgement, context)
        kinds, image = context.reporting.kinds(), reported_image(instance, judgement.assessment, context)
        made = make(image, judgement, context, kinds - {SR})
        if _is_reported(instance, context) or _is_beside_stack(instance, context):
            return made
        shared = replace(image, for_series=True)
        return [*made, *make(shared, judgement, context, kinds & {SR})]

    def subject(
        self, instance: StoredInstance, assessment: Assessment, context: UnitContext, *, amends: bool = False
    ) -> ReportSubject | None:
        """As for a projection image."""
        if not is_image(instance.header) or is_own(instance.header):
            return None
        return reported_image(instance, assessment, context, amends=amends)


def _is_beside_stack(instance: StoredInstance, context: UnitContext) -> bool:
    """Whether the report about a stack of slices counts this capture."""
    if not is_capture(instance.header):
        return False
    with context.database.begin() as transaction:
        return fragments.is_beside_stack(transaction, instance.header)


def _shares_report(judgement: Judgement) -> bool:
    """Whether this image needs no report of its own: no verdict, no prediction, nothing for a person to do."""
    is_unjudged = judgement.disposition.verdict is Verdict.NOT_ASSESSED
    return is_unjudged and not (judgement.assessment.predictions or judgement.disposition.attention)


def _is_reported(instance: StoredInstance, context: UnitContext) -> bool:
    """Whether another image already has the series' report; of two at once, the first one recorded stays."""
    uid = series_report_uid(instance.header, context.reporting.settings)
    with context.database.begin() as transaction:
        return deliveries.result_maker(transaction, uid) not in (None, instance.digest)


UNIT = OtherUnit()
