"""Turns one judged image into the DICOM objects that go back to the PACS."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.delivery import DEFAULT_KINDS, ResultKind
from miqa_node.domain.enhanced import Enhanced
from miqa_node.domain.finding import FindingName
from miqa_node.domain.image import Radiograph, SaliencyMap
from miqa_node.domain.policy import Disposition
from miqa_node.report.capture import SYNTAXES, make_capture
from miqa_node.report.derived import can_be_derived, make_enhanced
from miqa_node.report.gsps import can_have_gsps, make_gsps
from miqa_node.report.inherit import inherited_elements
from miqa_node.report.kos import make_kos
from miqa_node.report.made import MadeObject, ReportSettings
from miqa_node.report.mask import Region, regions_of
from miqa_node.report.page import draw_pdf
from miqa_node.report.pdf import make_pdf
from miqa_node.report.picture import draw_page
from miqa_node.report.seg import make_fractional_seg, make_seg
from miqa_node.report.source import Source, read_source
from miqa_node.report.sr import make_sr
from miqa_node.report.subject import Subject, of_anomaly, of_finding, of_prediction
from miqa_node.report.uids import Lineage
from miqa_node.report.validate import check_file
from miqa_node.report.write import encode

PLAIN = ExplicitVRLittleEndian

_Made = tuple[ResultKind, Dataset, str]
"""Kind, the object's own elements, and the transfer syntax that it is to be written in."""


def make_objects(
    source: Path,
    assessment: Assessment,
    disposition: Disposition,
    maps: Mapping[FindingName, SaliencyMap],
    settings: ReportSettings | None = None,
    kinds: Collection[ResultKind] = DEFAULT_KINDS,
    radiograph: Radiograph | None = None,
    anomaly_map: SaliencyMap | None = None,
    prediction_maps: Mapping[str, SaliencyMap] | None = None,
    enhanced: Enhanced | None = None,
) -> tuple[MadeObject, ...]:
    """The report for every image; of a flagged one also the other ``kinds`` that have something to show.

    What predictions were read from (``prediction_maps`` by package) is segmented whatever the verdict.

    Pictures (SC, PDF) and the shutter of a presentation state need ``radiograph``, the decoded image, and the derived
    image needs ``enhanced``; without them there are none. ``anomaly_map`` becomes a region when the anomaly rule of the
    policy is among the reasons of the verdict. Objects that others refer to come first, so that a reader never meets a
    reference to what is not there yet. The same arguments give the same bytes.

    Raises
    ------
    ReportError
        The source has no identity to refer to, or an object would not be valid DICOM.
    """
    settings = settings or ReportSettings()
    image = read_source(source)
    lineage = Lineage.of(image.sop_instance_uid, assessment, disposition)
    flagged = disposition.verdict.flagged
    seen = _seen(assessment, disposition, maps, anomaly_map) if flagged else []
    seen += _predicted(assessment, prediction_maps or {})
    regions = regions_of(seen, image.shape, settings.saliency_threshold) if image.has_pixels else ()
    made: list[_Made] = []
    if regions and ResultKind.SEG in kinds:
        made.append((ResultKind.SEG, make_seg(image, assessment, regions, lineage, settings), PLAIN))
    if ResultKind.SR in kinds:
        # The report may only refer to a segmentation that is made.
        placed = regions if ResultKind.SEG in kinds else ()
        made.append((ResultKind.SR, make_sr(image, assessment, disposition, placed, lineage, settings), PLAIN))
    if flagged and ResultKind.KOS in kinds:
        made.append((ResultKind.KOS, make_kos(image, assessment, disposition, lineage, settings), PLAIN))
    if flagged:
        made += _on_request(image, assessment, disposition, regions, radiograph, kinds, lineage, settings)
    inherited = inherited_elements(image)
    objects = tuple(
        MadeObject(kind, own.SOPClassUID, own.SOPInstanceUID, encode(own, inherited, syntax))
        for kind, own, syntax in made
    )
    for item in objects:
        check_file(item.data, item.sop_class_uid, item.sop_instance_uid, image, inherited)
    if enhanced is not None and ResultKind.ENHANCED in kinds and can_be_derived(image):
        made_at = assessment.assessed_at  # not now: made again, it is to be the same file
        objects += (make_enhanced(source, enhanced, assessment.digest, settings, made_at),)
    return objects


def _on_request(
    image: Source,
    assessment: Assessment,
    disposition: Disposition,
    regions: tuple[Region, ...],
    radiograph: Radiograph | None,
    kinds: Collection[ResultKind],
    lineage: Lineage,
    settings: ReportSettings,
) -> Iterator[_Made]:
    """What a destination must ask for by name."""
    if regions and ResultKind.SEG_FRACTIONAL in kinds:
        seg = make_fractional_seg(image, assessment, regions, lineage, settings)
        yield ResultKind.SEG_FRACTIONAL, seg, JPEG2000Lossless
    if ResultKind.GSPS in kinds and can_have_gsps(image):
        stored = radiograph.stored if radiograph else None
        state = make_gsps(image, assessment, disposition, regions, stored, lineage, settings)
        yield ResultKind.GSPS, state, PLAIN
    wanted = [kind for kind in SYNTAXES if kind in kinds]
    if radiograph is not None and wanted:
        picture = draw_page(radiograph.display, regions, disposition, assessment.score)
        for kind in wanted:
            yield kind, make_capture(kind, image, assessment, picture, lineage, settings), SYNTAXES[kind]
    if radiograph is not None and ResultKind.PDF in kinds:
        page = draw_pdf(assessment, disposition, radiograph.display, regions, settings.language)
        yield ResultKind.PDF, make_pdf(image, assessment, page, lineage, settings), PLAIN


def _seen(
    assessment: Assessment, disposition: Disposition, maps: Mapping[FindingName, SaliencyMap],
    anomaly_map: SaliencyMap | None,
) -> list[tuple[Subject, SaliencyMap]]:  # fmt: skip
    seen = [(of_finding(f), maps[f.name]) for f in assessment.findings if f.present and f.name in maps]
    asked = any(reason.name == "anomaly" for reason in disposition.reasons)
    if asked and anomaly_map is not None and assessment.anomaly is not None:
        seen.append((of_anomaly(assessment.anomaly), anomaly_map))
    return seen


def _predicted(assessment: Assessment, maps: Mapping[str, SaliencyMap]) -> list[tuple[Subject, SaliencyMap]]:
    return [(of_prediction(one), maps[one.package]) for one in assessment.predictions if one.package in maps]
