"""Segmentations of a stack of slices by highdicom: frames, their places, and dimensions (PS3.3 C.8.20, C.7.6.17)."""

from __future__ import annotations

from collections.abc import Sequence as Many

import highdicom.seg as hd
import numpy as np
from pydicom.dataset import Dataset

from miqa_node.stages.report.dataset import data_set
from miqa_node.stages.report.lossy import add_lossy_history
from miqa_node.stages.report.outputs.base import SliceMask, SourceSlice
from miqa_node.stages.report.seg_geometry import indicator
from miqa_node.stages.report.series.taken import take
from miqa_node.stages.report.source import text
from miqa_node.stages.report.text import decimal

_TAKEN = (
    *("ImageType", "ReferencedSeriesSequence", "SourceImageSequence", "FrameOfReferenceUID"),
    *("PositionReferenceIndicator", "DimensionOrganizationSequence", "DimensionIndexSequence"),
    *("SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "BitsAllocated"),
    *("BitsStored", "HighBit", "PixelRepresentation", "SegmentationType", "SegmentSequence", "SegmentsOverlap"),
    *("ContentLabel", "ContentDescription", "PresentationLUTShape"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PixelData"),
)
"""Attributes of the segmentation itself; those of patient, study, series and equipment are the node's."""


def fill_stack(
    seg: Dataset, segments: Many[Dataset], masks: Many[SliceMask], numbers: dict[str, int], dimension_uid: str
) -> None:
    """Fill in a segmentation that was begun; ``numbers`` are those of the ``segments`` by measurement."""
    of_slice = {one.mask.index: one for one in masks}
    rows = {index: row for row, index in enumerate(sorted(of_slice))}
    sources = [of_slice[index] for index in rows]
    pixels = np.zeros((len(rows), *sources[0].source.shape, len(segments)), np.uint8)
    for one in masks:
        pixels[rows[one.mask.index], :, :, numbers[one.mask.measurement] - 1] = one.mask.mask
    made = hd.Segmentation(
        [slice_header(one) for one in sources],
        pixels,
        hd.SegmentationTypeValues.BINARY,
        [hd.SegmentDescription.from_dataset(segment) for segment in segments],
        series_instance_uid=seg.SeriesInstanceUID,
        series_number=seg.SeriesNumber,
        sop_instance_uid=seg.SOPInstanceUID,
        instance_number=seg.InstanceNumber,
        manufacturer=seg.Manufacturer,
        manufacturer_model_name=seg.ManufacturerModelName,
        software_versions=seg.SoftwareVersions[0],
        device_serial_number=seg.DeviceSerialNumber,
        content_label="IMAGE_QUALITY",
        content_description="Where quality findings were seen",
    )
    take(made, _TAKEN, into=seg)
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimension_uid
    if len(rows) < max(rows) - min(rows) + 1:  # the distance of marked slices is not that of slices
        seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].pop("SpacingBetweenSlices", None)
    seg.ContentCreatorName = None
    seg["PixelData"].VR = "OB"  # of one bit each (PS3.5 8.1.1)
    add_lossy_history(seg, sources[0].source)


def slice_header(one: SliceMask | SourceSlice) -> Dataset:
    """What highdicom reads of a slice; nothing of the patient goes through it."""
    source, place = one.source, one.place
    header = data_set(
        SOPClassUID=source.sop_class_uid,
        SOPInstanceUID=source.sop_instance_uid,
        SeriesInstanceUID=source.series_instance_uid,
        StudyInstanceUID=source.study_instance_uid,
        Modality=source.modality,
        Rows=source.rows,
        Columns=source.columns,
        FrameOfReferenceUID=text(source.header, "FrameOfReferenceUID"),
        PositionReferenceIndicator=indicator(source),
        ImagePositionPatient=[decimal(value) for value in place.position_mm or ()],
        ImageOrientationPatient=[decimal(value) for value in place.orientation or ()],
        PixelSpacing=[decimal(value) for value in place.spacing_mm or ()],
        SliceThickness=decimal(place.thickness_mm or 1.0),
    )
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        setattr(header, keyword, "")
    header.StudyDate = header.StudyTime = ""
    return header
