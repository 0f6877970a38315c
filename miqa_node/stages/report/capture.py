"""Makes the Secondary Capture: a picture of the image with its findings for any viewer (PS3.3 A.8.1)."""

from __future__ import annotations

from fractions import Fraction

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.words import codes
from miqa_node.dicom.bytes.numbers import numbers
from miqa_node.stages.report.code_items import code_sequence
from miqa_node.stages.report.instance import laterality, reference
from miqa_node.stages.report.lossy import add_lossy_history
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext
from miqa_node.stages.report.picture import Picture
from miqa_node.stages.report.pixels import add_encapsulated
from miqa_node.stages.report.source import Source, text

SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.7"
_PHOTOMETRIC = {JPEGBaseline8Bit: "YBR_FULL_422", RLELossless: "RGB", JPEG2000Lossless: "YBR_RCT"}
LEAST_ASPECT, MOST_ASPECT = 0.001, 1000.0
"""Relative difference below which pixels count as square, as spacings are rounded; a larger ratio is a mistake."""
_LOSSY_METHOD = "ISO_10918_1"


def capture_output(kind: ResultKind, transfer_syntax_uid: str, order: int) -> Output:
    """An output of the picture with one kind of compression."""

    def make(context: OutputContext) -> Draft | None:
        return None if context.picture is None else Draft(make_capture(output, context, context.picture))

    output = Output(
        kind=kind,
        modality="OT",
        series_number=9905,
        description="Quality findings, picture",
        sop_class_uid=SOP_CLASS_UID,
        make=make,
        order=order,
        transfer_syntax_uid=transfer_syntax_uid,
    )
    return output


def make_capture(output: Output, context: OutputContext, picture: Picture) -> Dataset:
    """The picture as an object, compressed as the output says."""
    source, syntax = context.source, UID(output.transfer_syntax_uid)
    capture = context.begin(output)
    capture.Laterality = laterality(source)
    capture.ConversionType = "WSD"
    capture.ImageType = ["DERIVED", "SECONDARY", "QUALITY"]
    capture.PatientOrientation = list(source.patient_orientation) or None
    capture.DerivationDescription = "Image with heat map and outlines of quality findings; verdict in words below"
    capture.SourceImageSequence = Sequence([_source(source, context.frame)])
    _add_annotation(capture, source)
    capture.SamplesPerPixel = 3
    capture.PhotometricInterpretation = _PHOTOMETRIC[syntax]
    capture.PlanarConfiguration = 0
    capture.Rows, capture.Columns = picture.shape[:2]
    _add_aspect(capture, source)
    capture.BitsAllocated = capture.BitsStored = 8
    capture.HighBit, capture.PixelRepresentation = 7, 0
    add_encapsulated(capture, [picture], syntax, context.settings.encode)
    ratio = picture.size / len(capture.PixelData)
    add_lossy_history(capture, source, (ratio, _LOSSY_METHOD) if syntax == JPEGBaseline8Bit else None)
    return capture


def _source(source: Source, frame: int) -> Dataset:
    frames = [frame] if source.number_of_frames > 1 else None
    image = reference(source.sop_class_uid, source.sop_instance_uid, frames)
    image.PurposeOfReferenceCodeSequence = code_sequence(codes.SOURCE_IMAGE)
    return image


def _add_aspect(capture: Dataset, source: Source) -> None:
    """Pixel Aspect Ratio of an image whose pixels are not square (PS3.3 C.7.6.3.1.7): the picture has no spacing."""
    across = numbers(source.header, "PixelAspectRatio", 2)
    vertical, horizontal = source.spacing_mm or across or (1.0, 1.0)
    if min(vertical, horizontal) <= 0.0 or max(vertical, horizontal) > MOST_ASPECT * min(vertical, horizontal):
        return
    if abs(vertical / horizontal - 1.0) >= LEAST_ASPECT:
        ratio = Fraction(vertical / horizontal).limit_denominator(1000)
        capture.PixelAspectRatio = [ratio.numerator, ratio.denominator]


def _add_annotation(capture: Dataset, source: Source) -> None:
    """Take Burned In Annotation from the source, and leave it out where the source does.

    The attribute states whether the pixels identify the patient (PS3.3 C.7.6.1). The node's own text does not.
    """
    burned_in = text(source.header, "BurnedInAnnotation")
    if burned_in in ("YES", "NO"):
        capture.BurnedInAnnotation = burned_in
