"""Places a segmentation: on the source's frame of reference where it has one, else on its pixels alone."""

from __future__ import annotations

from collections.abc import Sequence as Many

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.report.made import ReportSettings
from miqa_node.report.source import Source, numbers, text

NOMINAL_SPACING_MM = (1.0, 1.0)
NOMINAL_THICKNESS_MM = 1.0
NOMINAL_ORIENTATION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def add_geometry(seg: Dataset, sources: Many[Source], settings: ReportSettings) -> None:
    """Pixel measures, orientation and position (PS3.3 C.7.6.16.2.1, .3, .4), never an invented frame of reference.

    ``sources`` are the source images of the segmentation's frames, one for each. A projection radiograph has no
    position in space. Its segmentation then gets a nominal orientation and, where the header has no spacing, a
    nominal spacing, which the standard permits and viewers need to draw it on the source;
    ``settings.nominal_geometry`` leaves both out.
    """
    shared = seg.SharedFunctionalGroupsSequence[0]
    first = sources[0]
    orientation = numbers(first.header, "ImageOrientationPatient", 6)
    positions = [numbers(source.header, "ImagePositionPatient", 3) for source in sources]
    frame_of_reference = text(first.header, "FrameOfReferenceUID")
    if orientation and all(positions) and frame_of_reference and first.spacing_mm:
        seg.FrameOfReferenceUID = frame_of_reference
        seg.PositionReferenceIndicator = text(first.header, "PositionReferenceIndicator") or None
        shared.PixelMeasuresSequence = Sequence([_measures(first)])
        shared.PlaneOrientationSequence = Sequence([_orientation(orientation)])
        for frame, position in zip(seg.PerFrameFunctionalGroupsSequence, positions, strict=True):
            plane = Dataset()
            plane.ImagePositionPatient = [_decimal(value) for value in position or ()]
            frame.PlanePositionSequence = Sequence([plane])
        return
    seg.PatientOrientation = list(first.patient_orientation) or None  # type 2C without an orientation in space
    if settings.nominal_geometry:
        shared.PixelMeasuresSequence = Sequence([_measures(first)])
        shared.PlaneOrientationSequence = Sequence([_orientation(NOMINAL_ORIENTATION)])


def _measures(source: Source) -> Dataset:
    item = Dataset()
    item.PixelSpacing = [_decimal(value) for value in source.spacing_mm or NOMINAL_SPACING_MM]
    thickness = numbers_of_one(source, "SliceThickness")
    item.SliceThickness = _decimal(thickness or NOMINAL_THICKNESS_MM)
    return item


def numbers_of_one(source: Source, keyword: str) -> float | None:
    """The single positive number of an element."""
    try:
        value = float(source.header[keyword].value)
    except (KeyError, TypeError, ValueError):
        return None
    return value if value > 0 else None


def _orientation(values: tuple[float, ...]) -> Dataset:
    item = Dataset()
    item.ImageOrientationPatient = [_decimal(value) for value in values]
    return item


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5 6.2)."""
    return f"{value:.10g}"[:16]
