"""Turns one judged image into the DICOM objects that go back to the PACS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydicom.dataset import Dataset

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.delivery import ResultKind
from miqa_node.domain.finding import FindingName
from miqa_node.domain.image import SaliencyMap
from miqa_node.domain.policy import Disposition
from miqa_node.report.inherit import inherited_elements
from miqa_node.report.kos import make_kos
from miqa_node.report.made import MadeObject, ReportSettings
from miqa_node.report.mask import Region, find_regions
from miqa_node.report.seg import make_seg
from miqa_node.report.source import Source, read_source
from miqa_node.report.sr import make_sr
from miqa_node.report.uids import Lineage
from miqa_node.report.validate import check_file
from miqa_node.report.write import encode


def make_objects(
    source: Path,
    assessment: Assessment,
    disposition: Disposition,
    maps: Mapping[FindingName, SaliencyMap],
    settings: ReportSettings | None = None,
) -> tuple[MadeObject, ...]:
    """The report for every image; segmentation and key object also for a flagged one.

    Objects that others refer to come first, so that a reader never meets a reference to what is not there yet.
    The same arguments give the same bytes.

    Raises
    ------
    ReportError
        The source has no identity to refer to, or an object would not be valid DICOM.
    """
    settings = settings or ReportSettings()
    image = read_source(source)
    lineage = Lineage.of(image.sop_instance_uid, assessment, disposition)
    flagged = disposition.verdict.flagged
    regions = _regions(image, assessment, maps, settings) if flagged else ()
    made: list[tuple[ResultKind, Dataset]] = []
    if regions:
        made.append((ResultKind.SEG, make_seg(image, assessment, regions, lineage, settings)))
    made.append((ResultKind.SR, make_sr(image, assessment, disposition, regions, lineage, settings)))
    if flagged:
        made.append((ResultKind.KOS, make_kos(image, assessment, disposition, lineage, settings)))
    inherited = inherited_elements(image)
    objects = tuple(MadeObject(kind, own.SOPClassUID, own.SOPInstanceUID, encode(own, inherited)) for kind, own in made)
    for item in objects:
        check_file(item.data, item.sop_class_uid, item.sop_instance_uid, image, inherited)
    return objects


def _regions(
    image: Source, assessment: Assessment, maps: Mapping[FindingName, SaliencyMap], settings: ReportSettings
) -> tuple[Region, ...]:
    if not image.has_pixels:
        return ()
    return find_regions(assessment.findings, maps, image.shape, settings.saliency_threshold)
