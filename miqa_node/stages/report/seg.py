"""The parts of Segmentations of findings and unusual places, in the source's rows and columns (docs/adr/0005)."""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.implementation import MANUFACTURER
from miqa_node.core.words import codes
from miqa_node.core.words.subject import SegmentSubject
from miqa_node.stages.report.code_items import code_item, code_sequence
from miqa_node.stages.report.dataset import data_set
from miqa_node.stages.report.instance import reference
from miqa_node.stages.report.lossy import add_lossy_history
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.mask import MarkedRegion
from miqa_node.stages.report.seg_geometry import add_geometry
from miqa_node.stages.report.source import Source
from miqa_node.stages.report.text import phrase
from miqa_node.stages.report.uids import Lineage

SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.66.7"
FRAME_LABEL = "ALL"


@dataclass(frozen=True, slots=True)
class SegmentPlane:
    """One frame: a segment's pixels on one source image.

    ``values``: bool, uint8 shares of 255 for FRACTIONAL, or uint8 segment numbers for LABELMAP, whose planes cover all
    segments and have the ``segment_number`` 0.
    """

    segment_number: int
    source: Source
    values: NDArray[np.bool_] | NDArray[np.uint8]
    frame: int = 1
    """The frame of a multi-frame source, counted from 1."""


def describe_regions(regions: Many[MarkedRegion], lineage: Lineage) -> list[Dataset]:
    """One segment for each region of an image."""
    return [
        describe_segment(region.segment_number, region.subject, f"map: {region.method}", lineage) for region in regions
    ]


def fill_seg(
    seg: Dataset, segments: Many[Dataset], planes: Many[SegmentPlane], dimension_uid: str, settings: ReportSettings
) -> None:
    """Fill in a segmentation except for its pixels; ``planes`` are of one source image."""
    describe_seg(seg, segments, planes, dimension_uid)
    add_geometry(seg, [plane.source for plane in planes], settings)


def describe_seg(seg: Dataset, segments: Many[Dataset], planes: Many[SegmentPlane], dimension_uid: str) -> None:
    """Describe a segmentation except for its geometry and pixels."""
    sources = list({plane.source.sop_instance_uid: plane.source for plane in planes}.values())
    seg.ImageType = ["DERIVED", "PRIMARY"]
    seg.ContentLabel = "IMAGE_QUALITY"
    seg.ContentDescription = "Where quality findings were seen"
    seg.ContentCreatorName = None
    seg.SegmentsOverlap = "YES" if _overlap(planes) else "NO"
    seg.SegmentSequence = Sequence(segments)
    seg.Rows, seg.Columns = sources[0].shape
    seg.NumberOfFrames = len(planes)
    seg.SamplesPerPixel = 1
    seg.PhotometricInterpretation = "MONOCHROME2"
    seg.PixelRepresentation = 0
    _add_references(seg, sources)
    add_lossy_history(seg, sources[0])
    _add_frames(seg, planes, dimension_uid)


def _overlap(planes: Many[SegmentPlane]) -> bool:
    """Whether a pixel of an image belongs to two segments."""
    covered: dict[tuple[str, int], NDArray[np.bool_]] = {}
    for plane in planes:
        place, mask = (plane.source.sop_instance_uid, plane.frame), plane.values.astype(np.bool_, copy=False)
        if place in covered and bool((covered[place] & mask).any()):
            return True
        covered[place] = covered[place] | mask if place in covered else mask
    return False


def describe_segment(number: int, subject: SegmentSubject, origin: str, lineage: Lineage) -> Dataset:
    """One item of the Segment Sequence (PS3.3 C.8.20.4); ``origin`` describes how the mask was made."""
    name, version, _ = subject.algorithm
    family = codes.HISTOGRAM_ANALYSIS if name == MANUFACTURER else codes.ARTIFICIAL_INTELLIGENCE
    kind = code_item(subject.kind)
    if subject.side is not None:
        kind.SegmentedPropertyTypeModifierCodeSequence = code_sequence(subject.side)
    return data_set(
        SegmentNumber=number,
        SegmentLabel=subject.kind.meaning,
        SegmentDescription=phrase(f"{subject.description}; {origin}", 1024),
        SegmentAlgorithmType="AUTOMATIC",
        SegmentAlgorithmName=phrase(name, 64),
        SegmentationAlgorithmIdentificationSequence=Sequence([_identification(name, version, family)]),
        SegmentedPropertyCategoryCodeSequence=code_sequence(subject.category),
        SegmentedPropertyTypeCodeSequence=Sequence([kind]),
        RecommendedDisplayCIELabValue=cielab(subject.colour),
        TrackingID=subject.name,
        TrackingUID=lineage.uid(SR, "tracking", subject.name),
    )


def _identification(name: str, version: str, family: Code) -> Dataset:
    """Algorithm Identification (PS3.3 10.16)."""
    return data_set(
        AlgorithmFamilyCodeSequence=code_sequence(family),
        AlgorithmName=phrase(name, 64),
        AlgorithmVersion=phrase(version, 64),
    )


def cielab(colour: tuple[float, float, float]) -> list[int]:
    """The colour as three unsigned shorts (PS3.3 C.10.7.1.1)."""
    lightness, a, b = colour
    return [round(lightness * 655.35), round((a + 128.0) * 257.0), round((b + 128.0) * 257.0)]


def _add_references(seg: Dataset, sources: Many[Source]) -> None:
    """Common Instance Reference (PS3.3 C.12.2)."""
    by_series: dict[str, list[Dataset]] = {}
    for source in sources:
        images = by_series.setdefault(source.series_instance_uid, [])
        images.append(reference(source.sop_class_uid, source.sop_instance_uid))
    seg.ReferencedSeriesSequence = Sequence(
        data_set(SeriesInstanceUID=uid, ReferencedInstanceSequence=Sequence(images))
        for uid, images in by_series.items()
    )


def add_bits(seg: Dataset, planes: Many[SegmentPlane]) -> None:
    """Segmentation Image (PS3.3 C.8.20.2): one bit per pixel, frames without a gap between them (PS3.5 8.1.1)."""
    seg.BitsAllocated = seg.BitsStored = 1
    seg.HighBit = 0
    bits = np.packbits(np.concatenate([plane.values.ravel() for plane in planes]), bitorder="little").tobytes()
    seg.add_new("PixelData", "OB", bits + b"\0" * (len(bits) % 2))


def _add_frames(seg: Dataset, planes: Many[SegmentPlane], dimension_uid: str) -> None:
    """Multi-frame Dimension and the per-frame functional groups (PS3.3 C.7.6.17, C.7.6.16)."""
    if planes[0].segment_number:
        index = data_set(
            DimensionOrganizationUID=dimension_uid,
            DimensionIndexPointer=0x0062000B,  # Referenced Segment Number
            FunctionalGroupPointer=0x0062000A,  # Segment Identification Sequence
            DimensionDescriptionLabel="Segment",
        )
    else:
        index = data_set(
            DimensionOrganizationUID=dimension_uid,
            DimensionIndexPointer=0x00209453,  # Frame Label
            FunctionalGroupPointer=0x00209111,  # Frame Content Sequence
            DimensionDescriptionLabel="Label map",
        )
    seg.DimensionOrganizationSequence = Sequence([data_set(DimensionOrganizationUID=dimension_uid)])
    seg.DimensionIndexSequence = Sequence([index])
    seg.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    seg.PerFrameFunctionalGroupsSequence = Sequence(_frame(plane) for plane in planes)


def _frame(plane: SegmentPlane) -> Dataset:
    source = plane.source
    frames = [plane.frame] if source.number_of_frames > 1 else None
    image = reference(source.sop_class_uid, source.sop_instance_uid, frames)
    image.PurposeOfReferenceCodeSequence = code_sequence(codes.SOURCE_IMAGE)
    image.SpatialLocationsPreserved = "YES"
    derivation = data_set(
        SourceImageSequence=Sequence([image]), DerivationCodeSequence=code_sequence(codes.SEGMENTATION)
    )
    groups = {"DerivationImageSequence": Sequence([derivation])}
    if plane.segment_number:
        content = data_set(DimensionIndexValues=plane.segment_number)
        identification = data_set(ReferencedSegmentNumber=plane.segment_number)
        groups["SegmentIdentificationSequence"] = Sequence([identification])
    else:  # a label map has no such group (PS3.3 C.8.20.3.1)
        content = data_set(FrameLabel=FRAME_LABEL, DimensionIndexValues=1)
    return data_set(FrameContentSequence=Sequence([content]), **groups)
