"""A CT, MR or PET series: its slices wait until it is quiet or complete, and then get one verdict.

The last instance to arrive represents the series: assessment, snapshot and report are stored under its digest.
See docs/explanation/series.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import Header, InstanceDigest, ReceivedObject, StoredInstance
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.phantom import SAID_BY_A_PERSON
from miqa_node.core.domain.ports import AssessorResult, JobQueue
from miqa_node.core.settings import WorkSettings
from miqa_node.errors import NotFoundError
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.assess.series import judge_series
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.stack import ReportedSeries
from miqa_node.stages.units.again import sound_files, withdrawals
from miqa_node.stages.units.base import Unit, UnitContext, with_conflict
from miqa_node.stages.units.image import keep_preview, make
from miqa_node.stages.units.kinds import is_slice, series_traits
from miqa_node.stages.units.rows import fragments, series


class SeriesUnit(Unit):
    """Slices, volumes and localizers of CT, MR and PET."""

    name = "series"
    needs_others = True

    def covers(self, header: Header) -> bool:
        """See :func:`~miqa_node.stages.units.kinds.is_slice`."""
        return is_slice(header)

    def admit(self, transaction: Transaction, header: Header, received: ReceivedObject, queue: JobQueue) -> None:  # noqa: ARG002
        """The series waits for more instances; ``work.series`` enqueues its job once it is quiet or complete."""
        series.arrive(transaction, header, received.received_at)

    def quiet_s(self, settings: WorkSettings) -> Mapping[str, float]:
        """Slices of PET arrive as irregularly as those of MR."""
        return {"CT": settings.ct_quiet_s, "MR": settings.mr_quiet_s, "PT": settings.mr_quiet_s}

    def judge(self, instance: StoredInstance, context: UnitContext) -> AssessorResult:
        """Measure all slices that have arrived except those with the UID of an earlier one.

        Store a preview and the snapshot.
        """
        with context.database.begin() as transaction:
            arrived = series.files(transaction, instance.header)
        files = [(one.digest, context.artifacts.path(one.object_key)) for one in arrived if not one.conflicting]
        tools, package = context.imaging.for_slices(instance.calling_ae_title), context.judging.series()
        with context.database.begin() as transaction:
            uids = fragments.uids_of(transaction, instance.header)
            statement = series.phantom_said(transaction, instance.header, uids)
            captures = fragments.count_captures(transaction, instance.header, uids)
        header, traits = instance.header, series_traits(instance.header)
        judged = judge_series(
            header, traits, instance.digest, files, tools, context.max_slices, package,
            phantom=None if statement is None else statement.is_phantom, captures=captures,
        )  # fmt: skip
        if judged.shown is not None:
            keep_preview(instance, judged.shown, context)
        context.artifacts.keep_snapshot(instance, judged.snapshot)
        return with_conflict(AssessorResult(judged.assessment), conflicting=any(one.conflicting for one in arrived))

    def restated(self, instance: StoredInstance, assessment: Assessment, context: UnitContext) -> Assessment:
        """A phantom or a patient as a person said, and measured as it was."""
        with context.database.begin() as transaction:
            uids = fragments.uids_of(transaction, instance.header)
            statement = series.phantom_said(transaction, instance.header, uids)
        if statement is None or statement.is_phantom == bool(assessment.phantom):
            return assessment
        if statement.is_phantom:
            return replace(assessment, phantom=SAID_BY_A_PERSON)
        return replace(assessment, phantom="", phantom_kind="")

    def outputs(self, judgement: Judgement, context: UnitContext) -> Sequence[MadeObject]:
        """One report for all slices; it amends the earlier reports on the series."""
        reported = self.subject(judgement.instance, judgement.assessment, context)
        if reported is None:
            return ()
        others = self.members(judgement.instance, context)
        return [*make(reported, judgement, context), *withdrawals(judgement, context, others)]

    def subject(
        self,
        instance: StoredInstance,
        assessment: Assessment,
        context: UnitContext,
        *,
        amends: bool = False,
    ) -> ReportedSeries | None:
        """The slices read, and the earlier reports on the series; None if there are none."""
        artifacts = context.artifacts
        snapshot = artifacts.snapshot(instance)
        if snapshot is None and assessment.quarantined:
            return None  # reading it was given up
        if snapshot is None:
            raise NotFoundError("The series was never read.")
        if not snapshot.slices:
            return None
        with context.database.begin() as transaction:
            stored = series.files(transaction, instance.header)
            predecessors = series.earlier_reports(
                transaction, instance.header, instance.digest, instance.generation + amends, context.results_before
            )
        keys = {one.digest: one.object_key for one in stored}
        slices = [(artifacts.path(keys[digest]), frame) for digest, frame in snapshot.slices]
        reports = sound_files(predecessors, context)
        return ReportedSeries(slices, snapshot.masks, reports, context.reporting.decode)

    def members(self, instance: StoredInstance, context: UnitContext) -> Sequence[InstanceDigest]:
        """All slices read; all that have arrived if the series was given up before reading."""
        snapshot = context.artifacts.snapshot(instance)
        read = None if snapshot is None else {digest for digest, _ in snapshot.slices}
        with context.database.begin() as transaction:
            stored = series.files(transaction, instance.header)
        return [one.digest for one in stored if read is None or one.conflicting or one.digest in read]


UNIT = SeriesUnit()
