"""Makes the Structured Report: the assessment as a Measurement Report (PS3.16 TID 1500) in Comprehensive 3D SR."""

from __future__ import annotations

from collections.abc import Sequence as Many

import highdicom.sr as hd
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.delivery import ResultKind
from miqa_node.domain.policy import Disposition
from miqa_node.report import codes, seg
from miqa_node.report.content import coded, device_observer, evidence
from miqa_node.report.instance import begin_instance, reference
from miqa_node.report.made import ReportSettings
from miqa_node.report.mask import Region
from miqa_node.report.source import Source
from miqa_node.report.sr_groups import finding_group, image_group, unusual_group
from miqa_node.report.sr_library import image_library
from miqa_node.report.sr_predictions import prediction_group
from miqa_node.report.subject import UNUSUAL_REGION, prediction_name
from miqa_node.report.uids import Lineage

SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.88.34"


def make_sr(
    source: Source,
    assessment: Assessment,
    disposition: Disposition,
    regions: Many[Region],
    lineage: Lineage,
    settings: ReportSettings,
    series: Many[Source] = (),
    frame: int = 1,
    predecessors: Many[Source] = (),
) -> Dataset:
    """The report: groups for the image, each finding that is present, an unusual region, and each prediction.

    ``regions`` are those of the segmentation that goes with the report; without one the tuple is empty. A report about
    a ``series`` lists all its images, ``source`` among them, and amends its ``predecessors``; ``frame``, counted from
    1, is the one of ``source`` that shows where the report belongs.
    """
    report = begin_instance(ResultKind.SR, SOP_CLASS_UID, source, assessment, lineage, settings)
    report.ReferencedPerformedProcedureStepSequence = Sequence()
    report.PerformedProcedureCodeSequence = Sequence()
    report.CompletionFlag = "COMPLETE"
    report.VerificationFlag = "UNVERIFIED"
    report.PreliminaryFlag = "FINAL"
    report.CurrentRequestedProcedureEvidenceSequence = evidence(
        source, *_others(source, series), *_segmentation(regions, lineage)
    )
    groups = [
        image_group(source, assessment, disposition, lineage, settings.language, series, frame),
        *_finding_groups(source, assessment, regions, lineage),
    ]
    if predecessors:
        report.PredecessorDocumentsSequence = _predecessors(source, predecessors)
    content = hd.MeasurementReport(
        observation_context=hd.ObservationContext(observer_device_context=device_observer(settings)),
        procedure_reported=coded(codes.procedure_code(source.modality)),
        imaging_measurements=groups,
        title=coded(codes.IMAGING_MEASUREMENT_REPORT),
    )
    library = image_library(source)
    if library is not None:
        # TID 1500 row 6 stands between the procedure reported and the measurements, which are last.
        content[0].ContentSequence.insert(-1, library)
    for element in content[0]:
        report.add(element)
    return report


def _finding_groups(
    source: Source, assessment: Assessment, regions: Many[Region], lineage: Lineage
) -> list[hd.MeasurementsAndQualitativeEvaluations]:
    region_of = {region.subject.name: region for region in regions}
    present = [finding for finding in assessment.findings if finding.present]
    unplaced = [finding.name for finding in present if finding.name.value not in region_of]
    groups = [
        finding_group(
            source,
            assessment,
            finding,
            region_of.get(finding.name.value),
            unplaced.index(finding.name) + 1 if finding.name in unplaced else 0,
            lineage,
        )
        for finding in present
    ]
    unusual = region_of.get(UNUSUAL_REGION)
    if unusual is not None and assessment.anomaly is not None:
        groups.append(unusual_group(source, assessment, assessment.anomaly, unusual, lineage))
    for row, prediction in enumerate(assessment.predictions, start=len(unplaced) + 1):
        groups.append(
            prediction_group(source, prediction, region_of.get(prediction_name(prediction.package)), row, lineage)
        )
    return groups


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


def _segmentation(regions: Many[Region], lineage: Lineage) -> list[tuple[str, str, str]]:
    if not regions:
        return []
    return [(lineage.uid(ResultKind.SEG, "series"), seg.SOP_CLASS_UID, lineage.uid(ResultKind.SEG, "instance"))]
