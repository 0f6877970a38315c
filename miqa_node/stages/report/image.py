"""A projection image as input of outputs: its header and the regions of its findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.image import EnhancedImage, Radiograph, SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.words.subject import SegmentSubject, of_anomaly, of_object, of_prediction
from miqa_node.stages.report.made import ReportRequest, ReportSettings
from miqa_node.stages.report.mask import regions_of
from miqa_node.stages.report.outputs.base import OutputContext
from miqa_node.stages.report.source import Source, read_source
from miqa_node.stages.report.uids import Lineage


@dataclass(frozen=True, slots=True)
class ReportedImage:
    """A DICOM file with one judged image, its maps, and a decoder if its pixels can be decoded."""

    path: Path
    maps: SaliencyMaps = field(default_factory=SaliencyMaps)
    decode: Callable[[], Radiograph] | None = None
    enhance: Callable[[Radiograph], EnhancedImage | None] | None = None
    predecessors: Sequence[Path] = ()
    """Files of the reports that this one replaces."""
    frame: int = 1
    """The frame that was judged, counted from 1."""
    for_series: bool = False
    """Whether its report also covers the other images of the series, none of which was assessed."""

    def context(self, request: ReportRequest) -> OutputContext:
        """The image with a region for each subject with a non-empty map."""
        assessment, disposition = request.assessment, request.disposition
        header = assessment.header
        source = read_source(self.path, header.study_instance_uid, header.series_instance_uid, self.frame)
        subjects = list(_subjects(assessment, disposition, self.maps))
        regions = regions_of(subjects, source.shape, request.settings.saliency_threshold) if source.has_pixels else ()
        return OutputContext(
            self.path,
            source,
            assessment,
            disposition,
            self._lineage(source, request),
            request.settings,
            request.kinds,
            regions,
            self.frame,
            predecessors=[read_source(report) for report in self.predecessors],
            decode=self.decode,
            enhance=self.enhance,
            for_series=self.for_series,
        )

    def _lineage(self, source: Source, request: ReportRequest) -> Lineage:
        if self.for_series:
            node_name = request.settings.node_name
            return Lineage.of_series(source.study_instance_uid, source.series_instance_uid, node_name)
        return Lineage.of(source.sop_instance_uid, request.assessment, request.disposition)


def series_report_uid(header: Header, settings: ReportSettings) -> str:
    """SOP Instance UID of the one report for all images of a series that were not assessed."""
    lineage = Lineage.of_series(header.study_instance_uid, header.series_instance_uid, settings.node_name)
    return lineage.uid(SR, "instance")


def _subjects(
    assessment: Assessment, disposition: Disposition, maps: SaliencyMaps
) -> Iterator[tuple[Sequence[SegmentSubject], SaliencyMap]]:
    """Findings of a flagged image; an anomaly if it is among the reasons; predictions for any verdict."""
    if disposition.verdict.flagged:
        for finding in assessment.findings:
            if finding.present and finding.name in maps.findings:
                yield of_object(finding, assessment), maps.findings[finding.name]
        is_reason = any(reason.name == "anomaly" for reason in disposition.reasons)
        if is_reason and maps.anomaly is not None and assessment.anomaly is not None:
            yield [of_anomaly(assessment.anomaly, assessment)], maps.anomaly
    for prediction in assessment.predictions:
        if prediction.package in maps.predictions:
            yield [of_prediction(prediction)], maps.predictions[prediction.package]
