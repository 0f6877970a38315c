"""Parametric Maps of a stack of slices by highdicom: values with a quantity and a unit, at places (PS3.3 C.8.32)."""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from highdicom import pm
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.core.words import codes
from miqa_node.core.words.measurement_codes import measurement_code
from miqa_node.stages.measure.slices import Slice
from miqa_node.stages.report.instance import laterality
from miqa_node.stages.report.lossy import add_lossy_history
from miqa_node.stages.report.outputs.base import SourceSlice
from miqa_node.stages.report.series.segmentation import slice_header
from miqa_node.stages.report.series.taken import take
from miqa_node.stages.report.text import decimal

STEP = 0.01
"""Of a stored value, in the unit of the map: 16 bits reach 655 of it."""
NOTHING = 0
"""Stored where the map has no value, as Pixel Padding Value says; mapped, too, since readers refuse other values."""
HIGHEST = 65535


@dataclass(frozen=True, slots=True)
class SliceBlocks:
    """Values float32 (slices, rows, columns), NaN where there is none.

    Each is of a block of ``side_px`` × ``side_px`` pixels, counted from the first row and column of its slice.
    """

    values: NDArray[np.float32]
    side_px: int


_TAKEN = (
    *("ImageType", "ContentQualification", "ContentLabel", "ContentDescription"),
    *("AcquisitionContextSequence", "ReferencedSeriesSequence", "SourceImageSequence", "FrameOfReferenceUID"),
    *("PositionReferenceIndicator", "DimensionOrganizationType", "DimensionOrganizationSequence"),
    *("DimensionIndexSequence", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPresentation", "PresentationLUTShape"),
    *("BurnedInAnnotation", "RecognizableVisualFeatures", "LossyImageCompression"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PixelData"),
)
"""Attributes of the map itself; those of patient, study, series and equipment are the node's."""


def fill_map(
    made: Dataset, slices: Many[SourceSlice], blocks: SliceBlocks, measurement: str, dimension_uid: str
) -> None:
    """Fill in a map that was begun, of a measurement in blocks of the slices."""
    measurand, frames, side = MEASUREMENTS.all()[measurement], blocks.values, blocks.side_px
    code = measurement_code(measurement)
    stored = np.where(np.isfinite(frames), np.clip(np.rint(frames / STEP), 1, HIGHEST), NOTHING).astype(np.uint16)
    mapping = pm.RealWorldValueMapping(
        lut_label=code.value,
        lut_explanation=measurand.label,
        unit=_coded(codes.unit_code(measurand.unit)),
        value_range=(NOTHING, HIGHEST),
        slope=STEP,
        intercept=0,
        quantity_definition=_coded(code),
    )
    usual = float(np.nanmedian(frames)) / STEP
    map_ = pm.ParametricMap(
        [slice_header(one) for one in slices],
        stored,
        series_instance_uid=made.SeriesInstanceUID,
        series_number=made.SeriesNumber,
        sop_instance_uid=made.SOPInstanceUID,
        instance_number=made.InstanceNumber,
        manufacturer=made.Manufacturer,
        manufacturer_model_name=made.ManufacturerModelName,
        software_versions=made.SoftwareVersions[0],
        device_serial_number=made.DeviceSerialNumber,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=round(usual), window_width=round(2 * usual))],
        content_label="NOISE",
        content_description=measurand.label,
        pixel_measures=_measures(slices[0].place, side),
        plane_orientation=hd.PlaneOrientationSequence("PATIENT", _decimals(slices[0].place.orientation)),
        plane_positions=[
            hd.PlanePositionSequence("PATIENT", _decimals(_first_block(one.place, side))) for one in slices
        ],
    )
    take(map_, _TAKEN, into=made)
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimension_uid
    for groups in (*made.SharedFunctionalGroupsSequence, *made.PerFrameFunctionalGroupsSequence):
        for item in groups.get("RealWorldValueMappingSequence", ()):
            for keyword in ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped"):
                item[keyword].VR = "US"  # as Pixel Representation is 0
    made.ContentCreatorName = None
    made.Laterality = laterality(slices[0].source)
    made.add_new("PixelPaddingValue", "US", NOTHING)
    made["PixelData"].VR = "OW"
    add_lossy_history(made, slices[0].source)


def _measures(place: Slice, side: int) -> hd.PixelMeasuresSequence:
    """The pitch of blocks; the thickness is that of the slice."""
    spacing = [float(decimal(side * pitch)) for pitch in place.spacing_mm or ()]
    return hd.PixelMeasuresSequence(pixel_spacing=spacing, slice_thickness=float(decimal(place.thickness_mm or 1.0)))


def _first_block(place: Slice, side: int) -> tuple[float, ...]:
    """The centre of the first block (PS3.3 C.7.6.2.1.1): half a block less half a pixel from the first pixel's."""
    position, orientation = np.array(place.position_mm), np.array(place.orientation)
    down_mm, right_mm = place.spacing_mm or (1.0, 1.0)
    steps = (side - 1) / 2.0
    return tuple(position + steps * (right_mm * orientation[:3] + down_mm * orientation[3:]))


def _decimals(values: tuple[float, ...] | None) -> list[float]:
    return [float(decimal(value)) for value in values or ()]


def _coded(code: Code) -> hd.sr.CodedConcept:
    return hd.sr.CodedConcept(code.value, code.scheme, code.meaning)
