"""Makes the Structured Report: the assessment as a Measurement Report (PS3.16 TID 1500) in Comprehensive 3D SR."""

from __future__ import annotations

from collections.abc import Sequence as Many

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.deciding import findings_in_order
from miqa_node.core.domain.delivery import SEG, SR
from miqa_node.core.domain.output import OutputKind
from miqa_node.core.words import codes
from miqa_node.core.words.subject import UNUSUAL_REGION, prediction_name
from miqa_node.stages.report.code_items import code_sequence
from miqa_node.stages.report.content import content_template, device_observer, evidence, person_observer
from miqa_node.stages.report.content_items import ContentItem, text_item
from miqa_node.stages.report.instance import reference
from miqa_node.stages.report.mask import MarkedRegion
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext
from miqa_node.stages.report.seg import SOP_CLASS_UID as SEGMENTATION
from miqa_node.stages.report.series.marked import marked_groups
from miqa_node.stages.report.source import Source
from miqa_node.stages.report.sr_groups import finding_group, image_group, package_groups, unusual_group
from miqa_node.stages.report.sr_landmarks import landmark_groups
from miqa_node.stages.report.sr_library import image_library
from miqa_node.stages.report.sr_predictions import prediction_group
from miqa_node.stages.report.sr_review import decision_title
from miqa_node.stages.report.sr_templates import MEASUREMENT_REPORT, measurement_report
from miqa_node.stages.report.uids import Lineage

SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.88.34"
NOT_FLAGGED = "Below its limit."


def make_sr(context: OutputContext) -> Draft:
    """The slim report: verdict, reasons, and each finding with its place and who made it.

    Of the numbers it has those that are reasons, and of the points those of the spine, by which sides are told.
    """
    return make_report(context, OUTPUT, is_full=False)


def make_report(context: OutputContext, output: OutputKind, *, is_full: bool) -> Draft:
    """The report: groups for the image, each present finding, an unusual region, predictions, points.

    It refers to the segments of the segmentation, if one is made. A report about a series lists all
    its images and amends its predecessors. ``is_full``: with all numbers and points.
    """
    source, assessment, lineage = context.source, context.assessment, context.lineage
    regions = context.regions if SEG in context.kinds and not context.series else ()
    report = context.begin(output)
    if context.review is not None:
        report.SeriesDescription = decision_title(context.review)
    report.ReferencedPerformedProcedureStepSequence = Sequence()
    report.PerformedProcedureCodeSequence = Sequence()
    report.CompletionFlag = "COMPLETE"
    report.VerificationFlag = "UNVERIFIED"
    report.PreliminaryFlag = "FINAL"
    report.CurrentRequestedProcedureEvidenceSequence = evidence(
        source, *_others(source, context.series), *_segmentation(regions, lineage)
    )
    groups: list[ContentItem] = [
        image_group(
            source,
            assessment,
            context.disposition,
            lineage,
            context.settings.language,
            context.series,
            context.frame,
            context.review,
            for_series=context.for_series,
            is_full=is_full,
        ),
        *_finding_groups(context, regions, is_full=is_full),
        *_points(context, regions, is_full=is_full),
        *marked_groups(context),
    ]
    if context.predecessors:
        report.PredecessorDocumentsSequence = _predecessors(source, context.predecessors)
    report.ValueType = "CONTAINER"
    report.ConceptNameCodeSequence = code_sequence(codes.IMAGING_MEASUREMENT_REPORT)
    report.ContinuityOfContent = "CONTINUOUS"
    report.ContentTemplateSequence = content_template(MEASUREMENT_REPORT)
    people = [] if context.review is None else person_observer(context.review.actor)
    observers = [*people, *device_observer(context.settings)]
    procedure = codes.procedure_code(source.modality)
    library = image_library(source) if is_full else None
    return Draft(report, content=measurement_report(observers, procedure, library, groups))


def _finding_groups(context: OutputContext, regions: Many[MarkedRegion], *, is_full: bool) -> list[ContentItem]:
    """The groups below the image's own: findings by region, an unusual region, predictions, numbers of packages."""
    source, assessment, lineage = context.source, context.assessment, context.lineage
    region_of = {region.subject.name: region for region in regions}
    flagging, others = findings_in_order(assessment, context.disposition)
    groups: list[ContentItem] = []
    row = 1
    for finding in (*flagging, *others):
        named = (one for one in regions if one.subject.finding and one.subject.finding.name == finding.name)
        places: list[MarkedRegion | None] = [*named] or [None]
        made = [finding_group(context, finding, region, row, is_full=is_full) for region in places]
        if finding in others:
            made[0].children.append(text_item(codes.COMMENT, NOT_FLAGGED))
        groups += made
        row += places == [None]
    unusual = region_of.get(UNUSUAL_REGION)
    if unusual is not None and assessment.anomaly is not None:
        groups.append(unusual_group(source, assessment.anomaly, unusual, lineage))
    for place, prediction in enumerate(assessment.predictions, row):
        drawn = region_of.get(prediction_name(prediction.package))
        groups.append(prediction_group(source, prediction, drawn, place, lineage))
    row += len(assessment.predictions)
    return [
        *groups,
        *package_groups(
            source, assessment, context.disposition, row, lineage, unusual=is_full and unusual is None, is_full=is_full
        ),
    ]


def _points(context: OutputContext, regions: Many[MarkedRegion], *, is_full: bool) -> list[ContentItem]:
    """All points; in the slim report those of the spine, if a region is said to be on one side of it."""
    is_sided = any(one.side for region in regions for one in region.over)
    if context.assessment.landmarks is None or not (is_full or is_sided):
        return []
    return landmark_groups(context.source, context.assessment.landmarks, context.lineage, is_full=is_full)


def _others(source: Source, series: Many[Source]) -> list[tuple[str, str, str]]:
    others = (one for one in series if one.sop_instance_uid != source.sop_instance_uid)
    return [(one.series_instance_uid, one.sop_class_uid, one.sop_instance_uid) for one in others]


def _predecessors(source: Source, predecessors: Many[Source]) -> Sequence:
    """The reports that this one amends (PS3.3 C.17.2)."""
    study = Dataset()
    study.StudyInstanceUID = source.study_instance_uid
    study.ReferencedSeriesSequence = Sequence()
    for one in predecessors:
        item = Dataset()
        item.SeriesInstanceUID = one.series_instance_uid
        item.ReferencedSOPSequence = Sequence([reference(one.sop_class_uid, one.sop_instance_uid)])
        study.ReferencedSeriesSequence.append(item)
    return Sequence([study])


def _segmentation(regions: Many[MarkedRegion], lineage: Lineage) -> list[tuple[str, str, str]]:
    if not regions:
        return []
    return [(lineage.uid(SEG, "series"), SEGMENTATION, lineage.uid(SEG, "instance"))]


OUTPUT = Output(
    kind=SR,
    modality="SR",
    series_number=9901,
    description="Image quality report",
    sop_class_uid=SOP_CLASS_UID,
    by_default=True,
    make=make_sr,
    order=20,
    only_flagged=False,
)
