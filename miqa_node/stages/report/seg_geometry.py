"""Geometry of a segmentation: in the source's frame of reference if it has one, otherwise only in its pixels."""

from __future__ import annotations

from collections.abc import Sequence as Many

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.dicom.bytes.numbers import numbers, single_number
from miqa_node.stages.measure.slices import Slice
from miqa_node.stages.report.dataset import data_set
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.source import Source, text
from miqa_node.stages.report.text import decimal, phrase

NOMINAL_SPACING_MM = (1.0, 1.0)
NOMINAL_THICKNESS_MM = 1.0
NOMINAL_ORIENTATION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def add_geometry(seg: Dataset, sources: Many[Source], settings: ReportSettings) -> None:
    """Pixel measures, orientation and position (PS3.3 C.7.6.16.2.1, .3, .4), never an invented frame of reference.

    ``sources`` has one source image for each frame of the segmentation. A projection radiograph has no
    position in space. Its segmentation then gets a nominal orientation and, if the header has no spacing, a nominal
    spacing, which the standard permits and viewers need to draw it on the source; ``settings.nominal_geometry``
    switches both on or off.
    """
    shared = seg.SharedFunctionalGroupsSequence[0]
    first = sources[0]
    orientation = numbers(first.header, "ImageOrientationPatient", 6)
    positions = [numbers(source.header, "ImagePositionPatient", 3) for source in sources]
    frame_of_reference = text(first.header, "FrameOfReferenceUID")
    if orientation and all(positions) and frame_of_reference and first.spacing_mm:
        seg.FrameOfReferenceUID = frame_of_reference
        seg.PositionReferenceIndicator = indicator(first)
        shared.PixelMeasuresSequence = Sequence([_measures(first)])
        shared.PlaneOrientationSequence = Sequence([_orientation(orientation)])
        for frame, position in zip(seg.PerFrameFunctionalGroupsSequence, positions, strict=True):
            plane = Dataset()
            plane.ImagePositionPatient = [decimal(value) for value in position or ()]
            frame.PlanePositionSequence = Sequence([plane])
        return
    seg.PatientOrientation = list(first.patient_orientation) or None  # type 2C without an orientation in space
    if settings.nominal_geometry:
        shared.PixelMeasuresSequence = Sequence([_measures(first)])
        shared.PlaneOrientationSequence = Sequence([_orientation(NOMINAL_ORIENTATION)])


def place_on_stack(seg: Dataset, sources: Many[Source], slices: Many[Slice], settings: ReportSettings) -> None:
    """The same for a series, whose slices have positions; ``slices`` are those of the segmentation's frames."""
    shared, source, first = seg.SharedFunctionalGroupsSequence[0], sources[0], slices[0]
    frame_of_reference = text(source.header, "FrameOfReferenceUID")
    placed = all(one.position_mm and one.orientation and one.spacing_mm for one in slices)
    if not (placed and frame_of_reference and first.orientation):
        add_geometry(seg, sources, settings)
        return
    seg.FrameOfReferenceUID = frame_of_reference
    seg.PositionReferenceIndicator = indicator(source)
    shared.PixelMeasuresSequence = Sequence([_measures_of(first.spacing_mm, first.thickness_mm)])
    shared.PlaneOrientationSequence = Sequence([_orientation(first.orientation)])
    index = Dataset()
    index.DimensionOrganizationUID = seg.DimensionOrganizationSequence[0].DimensionOrganizationUID
    index.DimensionIndexPointer = 0x00200032  # Image Position (Patient)
    index.FunctionalGroupPointer = 0x00209113  # Plane Position Sequence
    index.DimensionDescriptionLabel = "Position"
    seg.DimensionIndexSequence.append(index)
    places = sorted({one.place_mm or 0.0 for one in slices})
    for frame, one in zip(seg.PerFrameFunctionalGroupsSequence, slices, strict=True):
        plane = Dataset()
        plane.ImagePositionPatient = [decimal(value) for value in one.position_mm or ()]
        frame.PlanePositionSequence = Sequence([plane])
        content = frame.FrameContentSequence[0]
        content.DimensionIndexValues = [content.DimensionIndexValues, places.index(one.place_mm or 0.0) + 1]


def indicator(source: Source) -> str | None:
    """Type 2 and unused; left empty unless every character set can encode it."""
    indicator = text(source.header, "PositionReferenceIndicator")
    return indicator if indicator.isascii() and phrase(indicator, 64) == indicator else None


def _measures(source: Source) -> Dataset:
    return _measures_of(source.spacing_mm, single_number(source.header, "SliceThickness"))


def _measures_of(spacing_mm: tuple[float, float] | None, thickness_mm: float | None) -> Dataset:
    thick = thickness_mm if thickness_mm is not None and thickness_mm > 0 else NOMINAL_THICKNESS_MM
    spacing = [decimal(value) for value in spacing_mm or NOMINAL_SPACING_MM]
    return data_set(PixelSpacing=spacing, SliceThickness=decimal(thick))


def _orientation(values: tuple[float, ...]) -> Dataset:
    return data_set(ImageOrientationPatient=[decimal(value) for value in values])
