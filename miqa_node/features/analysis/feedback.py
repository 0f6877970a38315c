"""Statistics of labels from people's decisions: number, reader, finding, and agreement of readers and model."""

from __future__ import annotations

from dataclasses import dataclass

from miqa_node.core.domain.label import LabelOrigin
from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.features.analysis.marks import MaskFigures, mask_figures
from miqa_node.features.analysis.rows import label_days, readings
from miqa_node.features.analysis.rows.census import Period
from miqa_node.features.analysis.rows.label_days import LabelCount, LabelDimension
from miqa_node.libraries.plain_statistics.agreement import Agreement, agreement
from miqa_node.runtime.site_records import label_requests, labels
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.units.rows import instances

MOST_MASKS = 300


@dataclass(frozen=True, slots=True)
class ReaderAgreement:
    """Number of images where both model and people, only one of them, or neither saw a finding."""

    finding: str
    both: int
    model_only: int
    people_only: int
    nobody: int
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Feedback:
    """Labels of a period; requests (made, answered) are counted over all time."""

    period: Period
    total: int
    good: int
    bad: int
    by_origin: list[LabelCount]
    by_finding: list[LabelCount]
    by_reader: list[LabelCount]
    audits: tuple[int, int]
    second_asked: tuple[int, int]
    second_readings: Agreement
    findings: list[ReaderAgreement]
    masks: list[MaskFigures]


def feedback(transaction: Transaction, period: Period, objects: ObjectStore, threshold: float) -> Feedback:
    """Labels by the day of the decision; ``threshold`` is that of the segmentations. The roll-up must be up to date.

    At most MOST_MASKS of the newest images with drawings are compared with the maps in ``objects``.
    """
    since, until = period.moments
    by_origin, by_finding, by_reader = (
        label_days.counts(transaction, by, period.since, period.until)
        for by in (LabelDimension.ORIGIN, LabelDimension.FINDING, LabelDimension.ACTOR)
    )
    drawn = labels.drawn(transaction, since, until, limit=MOST_MASKS)
    return Feedback(
        period=period,
        total=sum(one.labels for one in by_origin),
        good=sum(one.labels - one.bad for one in by_origin),
        bad=sum(one.bad for one in by_origin),
        by_origin=by_origin,
        by_finding=by_finding,
        by_reader=by_reader,
        audits=label_requests.count(transaction, LabelOrigin.SPOT_CHECK),
        second_asked=label_requests.count(transaction, LabelOrigin.SECOND_READING),
        findings=[
            ReaderAgreement(
                finding,
                table.get((True, True), 0),
                table.get((True, False), 0),
                table.get((False, True), 0),
                table.get((False, False), 0),
                agreement(table),
            )
            for finding, table in readings.against_model(transaction, since, until).items()
        ],
        masks=mask_figures(drawn, objects, threshold, instances.generations(transaction, [d.digest for d in drawn])),
        second_readings=agreement(readings.second_readings(transaction, since, until)),
    )
