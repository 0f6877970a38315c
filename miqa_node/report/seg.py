"""Makes the Segmentation of where the findings are: BINARY, in the source's rows and columns (docs/adr/0005)."""

from __future__ import annotations

from collections.abc import Sequence as Many

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.delivery import ResultKind
from miqa_node.domain.finding import FindingName
from miqa_node.report import codes
from miqa_node.report.instance import begin_instance, code_sequence, reference
from miqa_node.report.made import ReportSettings
from miqa_node.report.mask import Region
from miqa_node.report.seg_geometry import add_geometry
from miqa_node.report.seg_lossy import add_lossy_history
from miqa_node.report.source import Source
from miqa_node.report.uids import Lineage
from miqa_node.report.write import ascii_text

SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.66.4"

# One colour per finding, the same in every study, as CIELab (PS3.3 C.10.7.1.1): L 0-100, a and b -128..127.
COLOURS: dict[FindingName, tuple[float, float, float]] = {
    FindingName.MOTION_BLUR: (67.0, 43.0, 74.0),
    FindingName.UNSHARP: (76.0, 10.0, 75.0),
    FindingName.NOISE_UNDEREXPOSURE: (60.0, 0.0, -45.0),
    FindingName.OVEREXPOSURE_SATURATION: (92.0, -15.0, 85.0),
    FindingName.CONTRAST_PROCESSING: (75.0, -40.0, -10.0),
    FindingName.GRID_ARTIFACT: (80.0, -60.0, 60.0),
    FindingName.CLIPPED_ANATOMY: (55.0, 75.0, -45.0),
    FindingName.ROTATION_ORIENTATION: (62.0, 55.0, -55.0),
    FindingName.FOREIGN_OBJECT: (54.0, 78.0, 62.0),
    FindingName.DETECTOR_OVERLAY_ARTIFACT: (85.0, -50.0, 10.0),
    FindingName.DOUBLE_EXPOSURE: (70.0, 40.0, 10.0),
    FindingName.GATE: (70.0, 0.0, 0.0),
}


def make_seg(
    source: Source, assessment: Assessment, regions: Many[Region], lineage: Lineage, settings: ReportSettings
) -> Dataset:
    """The segmentation (PS3.3 A.51), one segment and one frame for each region."""
    seg = begin_instance(ResultKind.SEG, SOP_CLASS_UID, source, assessment, lineage, settings)
    seg.ImageType = ["DERIVED", "PRIMARY"]
    seg.ContentLabel = "IMAGE_QUALITY"
    seg.ContentDescription = "Where quality findings were seen"
    seg.ContentCreatorName = None
    seg.SegmentationType = "BINARY"
    seg.SegmentsOverlap = "YES" if len(regions) > 1 else "NO"
    seg.SegmentSequence = Sequence(_segment(region, assessment, lineage) for region in regions)
    _add_references(seg, source)
    add_lossy_history(seg, source)
    _add_pixels(seg, source, regions)
    _add_frames(seg, source, regions, lineage)
    add_geometry(seg, source, settings)
    return seg


def _segment(region: Region, assessment: Assessment, lineage: Lineage) -> Dataset:
    name = region.finding.name
    category, kind = codes.segment_codes(name)
    segment = Dataset()
    segment.SegmentNumber = region.segment_number
    segment.SegmentLabel = kind.meaning
    segment.SegmentDescription = ascii_text(
        f"Certainty {region.finding.probability:.0%}, severity {region.finding.severity:.0%}; map: {region.method}",
        1024,
    )
    segment.SegmentAlgorithmType = "AUTOMATIC"
    segment.SegmentAlgorithmName = _algorithm_name(assessment)
    segment.SegmentationAlgorithmIdentificationSequence = Sequence([_algorithm(assessment)])
    segment.SegmentedPropertyCategoryCodeSequence = code_sequence(category)
    segment.SegmentedPropertyTypeCodeSequence = code_sequence(kind)
    segment.RecommendedDisplayCIELabValue = _cielab(COLOURS[name])
    segment.TrackingID = name.value
    segment.TrackingUID = lineage.uid(ResultKind.SR, "tracking", name.value)
    return segment


def _algorithm(assessment: Assessment) -> Dataset:
    """Algorithm Identification (PS3.3 10.16)."""
    item = Dataset()
    item.AlgorithmFamilyCodeSequence = code_sequence(codes.ARTIFICIAL_INTELLIGENCE)
    item.AlgorithmName = _algorithm_name(assessment)
    item.AlgorithmVersion = ascii_text(assessment.model.version, 64) if assessment.model else "0"
    return item


def _algorithm_name(assessment: Assessment) -> str:
    return ascii_text(assessment.model.name, 64) if assessment.model else "miqa-node"


def _cielab(colour: tuple[float, float, float]) -> list[int]:
    lightness, a, b = colour
    return [round(lightness * 655.35), round((a + 128.0) * 257.0), round((b + 128.0) * 257.0)]


def _add_references(seg: Dataset, source: Source) -> None:
    """Common Instance Reference (PS3.3 C.12.2)."""
    series = Dataset()
    series.SeriesInstanceUID = source.series_instance_uid
    series.ReferencedInstanceSequence = Sequence([reference(source.sop_class_uid, source.sop_instance_uid)])
    seg.ReferencedSeriesSequence = Sequence([series])


def _add_pixels(seg: Dataset, source: Source, regions: Many[Region]) -> None:
    """Segmentation Image (PS3.3 C.8.20.2): one bit per pixel, frames without a gap between them (PS3.5 8.1.1)."""
    seg.Rows, seg.Columns = source.shape
    seg.NumberOfFrames = len(regions)
    seg.SamplesPerPixel = 1
    seg.PhotometricInterpretation = "MONOCHROME2"
    seg.BitsAllocated = seg.BitsStored = 1
    seg.HighBit = seg.PixelRepresentation = 0
    bits = np.packbits(np.concatenate([region.mask.ravel() for region in regions]), bitorder="little").tobytes()
    seg.add_new("PixelData", "OB", bits + b"\0" * (len(bits) % 2))


def _add_frames(seg: Dataset, source: Source, regions: Many[Region], lineage: Lineage) -> None:
    """Multi-frame Dimension and the per-frame functional groups (PS3.3 C.7.6.17, C.7.6.16)."""
    organization = Dataset()
    organization.DimensionOrganizationUID = lineage.uid(ResultKind.SEG, "dimension")
    seg.DimensionOrganizationSequence = Sequence([organization])
    index = Dataset()
    index.DimensionOrganizationUID = organization.DimensionOrganizationUID
    index.DimensionIndexPointer = 0x0062000B  # Referenced Segment Number
    index.FunctionalGroupPointer = 0x0062000A  # Segment Identification Sequence
    index.DimensionDescriptionLabel = "Segment"
    seg.DimensionIndexSequence = Sequence([index])
    seg.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    seg.PerFrameFunctionalGroupsSequence = Sequence(_frame(region.segment_number, source) for region in regions)


def _frame(segment_number: int, source: Source) -> Dataset:
    identification, content, derivation = Dataset(), Dataset(), Dataset()
    identification.ReferencedSegmentNumber = segment_number
    content.DimensionIndexValues = [segment_number]
    image = reference(source.sop_class_uid, source.sop_instance_uid, source.frame_numbers)
    image.PurposeOfReferenceCodeSequence = code_sequence(codes.SOURCE_IMAGE)
    image.SpatialLocationsPreserved = "YES"
    derivation.SourceImageSequence = Sequence([image])
    derivation.DerivationCodeSequence = code_sequence(codes.SEGMENTATION)
    frame = Dataset()
    frame.SegmentIdentificationSequence = Sequence([identification])
    frame.FrameContentSequence = Sequence([content])
    frame.DerivationImageSequence = Sequence([derivation])
    return frame
