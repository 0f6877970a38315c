"""Checks every object before it leaves the node: a PACS should never be the first to find a mistake.

These are quick checks of a few milliseconds per object; third-party validators run in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from typing import cast

from pydicom import config, dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import STR_VR, validate_value

from miqa_node.domain.instance import can_name, is_uid
from miqa_node.errors import ReportError
from miqa_node.imaging.charsets import ASCII, decoded_text
from miqa_node.report import capture, seg
from miqa_node.report.elements import Element
from miqa_node.report.leaves import Leaf, UndefinedLengthError, leaves
from miqa_node.report.outputs import airai, gsps, kos, pdf, sr
from miqa_node.report.source import Source

_REFERENCES = (
    "ReferencedSOPSequence",
    "ReferencedInstanceSequence",
    "ReferencedImageSequence",
    "SourceImageSequence",
    "SourceInstanceSequence",
)
_CONTENT_SEQUENCE = Tag("ContentSequence")
_REFERENCE = (int(Tag("ReferencedSOPSequence")), int(Tag("ReferencedSOPInstanceUID")))
_SINGLE_TEXT_VRS = frozenset({"LT", "ST", "UR", "UT"})

_EVERY_OBJECT = {  # SOP Common, Patient, General Study, Series, Enhanced General Equipment
    1: "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID SeriesNumber InstanceNumber Modality "
    "Manufacturer ManufacturerModelName DeviceSerialNumber SoftwareVersions",
    2: "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime AccessionNumber "
    "ReferringPhysicianName StudyID",
}
_CONTENT = "ContentDate ContentTime "
_DOCUMENT = _CONTENT + "ValueType ConceptNameCodeSequence ContinuityOfContent ContentTemplateSequence ContentSequence "
_PIXELS = (
    "ImageType SamplesPerPixel PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit "
    "PixelRepresentation LossyImageCompression PixelData "
)
_REPORT = {
    1: _DOCUMENT + "CompletionFlag VerificationFlag CurrentRequestedProcedureEvidenceSequence",
    2: "ReferencedPerformedProcedureStepSequence PerformedProcedureCodeSequence",
}
_SEGMENTATION = {
    1: _CONTENT + _PIXELS + "SegmentationType SegmentSequence ContentLabel NumberOfFrames "
    "SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence DimensionOrganizationSequence "
    "DimensionIndexSequence ReferencedSeriesSequence",
    2: "ContentDescription ContentCreatorName",
}
_BY_CLASS: dict[str, dict[int, str]] = {
    sr.SOP_CLASS_UID: _REPORT,
    kos.SOP_CLASS_UID: {
        1: _DOCUMENT + "CurrentRequestedProcedureEvidenceSequence",
        2: "ReferencedPerformedProcedureStepSequence",
    },
    seg.SOP_CLASS_UID: _SEGMENTATION,
    seg.LABEL_MAP_CLASS_UID: _SEGMENTATION,
    gsps.SOP_CLASS_UID: {
        1: "PresentationCreationDate PresentationCreationTime ContentLabel ReferencedSeriesSequence "
        "DisplayedAreaSelectionSequence GraphicAnnotationSequence GraphicLayerSequence PresentationLUTShape",
        2: "ContentDescription ContentCreatorName Laterality",
    },
    pdf.SOP_CLASS_UID: {
        1: _CONTENT + "ConversionType BurnedInAnnotation MIMETypeOfEncapsulatedDocument EncapsulatedDocument "
        "SourceInstanceSequence EncapsulatedDocumentLength",
        2: "DocumentTitle ConceptNameCodeSequence AcquisitionDateTime",
    },
    airai.SOP_CLASS_UID: {
        1: "AssessmentLabel AssessmentTypeCodeSequence AssessedSOPInstanceSequence AssessmentSummary "
        "NumberOfAssessmentObservations AssessmentObservationsSequence ReferencedSeriesSequence",
        2: "AssessmentRequesterSequence",
    },
    capture.SOP_CLASS_UID: {
        1: _CONTENT + _PIXELS + "ConversionType SourceImageSequence",
        2: "PatientOrientation Laterality",
    },
}


def check_file(
    data: bytes,
    sop_class_uid: str,
    sop_instance_uid: str,
    sources: Sequence[Source],
    inherited: Container[BaseTag],
    character_sets: Sequence[str] = ASCII,
) -> None:
    """Read the file back and check it; ReportError lists its faults without any patient data.

    It must refer to one of ``sources``, images of one study.
    """
    try:
        dataset = dcmread(BytesIO(data))
    except (InvalidDicomError, EOFError, ValueError) as error:
        raise ReportError(f"A result cannot be read back: {type(error).__name__}.") from error
    try:
        # While the elements are still raw.
        nested = {tag: _nested(dataset, tag, inherited) for tag in dataset.keys()}  # noqa: SIM118 - iterating decodes
    except ValueError as error:
        raise ReportError(f"A result cannot be read back: {error}.") from error
    # Values first, because reading changes them; then presence, on which the rest relies.
    faults = [
        *_values(dataset, inherited, tuple(character_sets), nested),
        *_identity(dataset, sop_class_uid, sop_instance_uid),
        *_presence(dataset, sop_class_uid),
    ]
    faults = faults or [*_references(dataset, sources, nested.get(_CONTENT_SEQUENCE)), *_pixels(dataset)]
    if faults:
        raise ReportError(f"{dataset.get('Modality', '')} object: {'; '.join(faults[:10])}.")


def _nested(dataset: Dataset, tag: BaseTag, inherited: Container[BaseTag]) -> list[Leaf] | None:
    """The leaves of an encoded sequence; None for other elements, inherited ones and undefined lengths."""
    element = cast("Element", dataset.get_item(tag))
    if element.VR != "SQ" or tag in inherited or not isinstance(element, RawDataElement):
        return None
    try:
        return leaves(element.value or b"", (int(tag),))
    except UndefinedLengthError:
        return None


def required(sop_class_uid: str, kind: int) -> list[str]:
    """Required keywords of the class: type 1 with a value, type 2 possibly empty (PS3.5 7.4)."""
    return [*_EVERY_OBJECT[kind].split(), *_BY_CLASS.get(sop_class_uid, {}).get(kind, "").split()]


def _identity(dataset: Dataset, sop_class_uid: str, sop_instance_uid: str) -> Iterator[str]:
    meta = dataset.file_meta
    if dataset.get("SOPClassUID") != sop_class_uid or meta.get("MediaStorageSOPClassUID") != sop_class_uid:
        yield "SOPClassUID is not what was announced"
    if dataset.get("SOPInstanceUID") != sop_instance_uid or meta.get("MediaStorageSOPInstanceUID") != sop_instance_uid:
        yield "SOPInstanceUID is not what was announced"


def _presence(dataset: Dataset, sop_class_uid: str) -> Iterator[str]:
    for keyword in required(sop_class_uid, 1):
        if keyword not in dataset or _is_empty(dataset, keyword):
            yield f"{keyword} is missing or empty"
    if int(dataset.get("SamplesPerPixel", 1)) > 1 and "PlanarConfiguration" not in dataset:
        yield "PlanarConfiguration is missing"
    for keyword in required(sop_class_uid, 2):
        # Type 2C: only for a paired body part, and the named one may not be paired.
        if keyword not in dataset and not (keyword == "Laterality" and dataset.get("BodyPartExamined")):
            yield f"{keyword} is missing"


def _is_empty(dataset: Dataset, keyword: str) -> bool:
    element = cast("Element", dataset.get_item(keyword))
    if isinstance(element, RawDataElement) and element.VR == "SQ":
        return not element.value
    return dataset[keyword].is_empty


def _values(
    dataset: Dataset,
    inherited: Container[BaseTag],
    character_sets: tuple[str, ...],
    nested: Mapping[BaseTag, list[Leaf] | None],
    path: str = "",
) -> Iterator[str]:
    """Check each text against its VR (PS3.5 6.2). Inherited text is the source's and stays unchanged."""
    for tag in sorted(dataset.keys()):
        if tag in inherited and not path:
            continue
        element = cast("Element", dataset.get_item(tag))
        name = f"{path}{keyword_for_tag(tag)}"
        encoded = nested.get(tag)
        if encoded is not None:
            for leaf in encoded:
                if leaf.vr in STR_VR and leaf.value:
                    faults = _text_faults(leaf.vr, leaf.value, character_sets, can_name)
                    yield from (f"{leaf.name} {fault}" for fault in faults)
        elif element.VR == "SQ":
            for item in dataset[tag].value:
                yield from _values(item, inherited, character_sets, {}, f"{name}/")
        elif isinstance(element, RawDataElement) and element.VR in STR_VR and element.value:
            check_uid = is_uid if name in _OWN_UIDS else can_name
            faults = _text_faults(str(element.VR), element.value, character_sets, check_uid)
            yield from (f"{name} {fault}" for fault in faults)


_OWN_UIDS = frozenset({"SOPInstanceUID", "SeriesInstanceUID"})
"""UIDs made by the node; others may be the source's, in which ``dicom.relaxed_uids`` allows letters."""


@lru_cache(maxsize=4096)
def _text_faults(
    vr: str, encoded: bytes, character_sets: tuple[str, ...], check_uid: Callable[[str], bool]
) -> tuple[str, ...]:
    """Cached, because codes and names are the same in every report."""
    return tuple(_faults(vr, encoded, character_sets, check_uid))


def _faults(
    vr: str, encoded: bytes, character_sets: tuple[str, ...], check_uid: Callable[[str], bool]
) -> Iterator[str]:
    try:
        text = decoded_text(vr, encoded, character_sets).rstrip(" \0")
    except UnicodeError:
        yield "is not in the character set of the object"
        return
    for value in [text] if vr in _SINGLE_TEXT_VRS else text.split("\\"):
        if vr == "UI":
            # More tolerant than PS3.5 9.1: senders write components with a leading zero, and a reference to such an
            # object must repeat its UID exactly.
            if not check_uid(value):
                yield "is not a UID"
            continue
        try:
            validate_value(vr, value, config.RAISE)
        except ValueError:
            yield f"has a value that {vr} does not allow"


def _references(dataset: Dataset, sources: Sequence[Source], content: list[Leaf] | None) -> Iterator[str]:
    """Check that a source is listed as evidence, and that documents refer only to listed objects."""
    if dataset.StudyInstanceUID != sources[0].study_instance_uid:
        yield "StudyInstanceUID is not the source's"
    listed = set(_listed(dataset))
    if not listed.intersection(source.sop_instance_uid for source in sources):
        yield "the source is not among the referenced instances"
    if "ContentSequence" not in dataset:
        return
    referred = set(_referred(dataset)) if content is None else {_uid(leaf) for leaf in content if _refers(leaf)}
    if referred - listed:
        yield "the content refers to an instance that the evidence does not list"


def _listed(dataset: Dataset) -> Iterator[str]:
    studies = dataset.get("CurrentRequestedProcedureEvidenceSequence") or [dataset]
    for study in studies:
        for series in (*study.get("ReferencedSeriesSequence", ()), study):
            for keyword in _REFERENCES:
                for item in series.get(keyword, ()):
                    yield item.ReferencedSOPInstanceUID


def _refers(leaf: Leaf) -> bool:
    return leaf.path[-2:] == _REFERENCE and set(leaf.path[:-2]) == {int(_CONTENT_SEQUENCE)}


def _uid(leaf: Leaf) -> str:
    return leaf.value.decode("ascii").rstrip(" \0")


def _referred(item: Dataset) -> Iterator[str]:
    for reference in item.get("ReferencedSOPSequence", ()):
        yield reference.ReferencedSOPInstanceUID
    for child in item.get("ContentSequence", ()):
        yield from _referred(child)


def _pixels(dataset: Dataset) -> Iterator[str]:
    if "EncapsulatedDocument" in dataset and not dataset.EncapsulatedDocument.startswith(b"%PDF-"):
        yield "EncapsulatedDocument is not a PDF"
    if "PixelData" not in dataset:
        return
    frames = int(dataset.get("NumberOfFrames", 1))
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        if sum(1 for _ in generate_frames(dataset.PixelData, number_of_frames=frames)) != frames:
            yield "PixelData has not one fragment sequence for each frame"
    else:
        bits = dataset.Rows * dataset.Columns * frames * dataset.SamplesPerPixel * dataset.BitsAllocated
        expected = (bits + 7) // 8
        if len(dataset.PixelData) != expected + expected % 2:
            yield "PixelData has the wrong length"
    if len(dataset.get("PerFrameFunctionalGroupsSequence", range(frames))) != frames:
        yield "there is not one functional group for each frame"
