"""Reads the identity, kind and geometry of an object, which the node needs before it answers the sender.

This runs for every C-STORE before its response, so it reads a few dozen elements and no pixels
(:mod:`miqa_node.dicom.elements`). It accepts values that deviate from PS3.5, as writers produce them.
``units`` decide what kind of object a header belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword

from miqa_node.core.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid, StudyRecord
from miqa_node.core.domain.patient import issuer_text
from miqa_node.core.taxonomy.anatomy import PHANTOM, STANDARD, Anatomy, Naming
from miqa_node.dicom.bytes import derivations
from miqa_node.dicom.bytes.own_values import OWN_KEYWORDS, own_values
from miqa_node.dicom.bytes.values import Values
from miqa_node.dicom.bytes.view_modifiers import view_modifier
from miqa_node.dicom.elements import Elements, read_elements
from miqa_node.errors import DataSetError

LATERALITY = {
    "7771000": "L",
    "G-A101": "L",
    "24028007": "R",
    "G-A100": "R",
    "51440002": "B",
    "G-A102": "B",
    "66459002": "U",
    "G-A103": "U",
}
"""Codes of CID 244, SNOMED CT and its retired predecessor, as values of Image Laterality."""
MOST_EXPOSURE, MOST_DEVIATION = 1e9, 100.0
"""A Deviation Index of 100 would be ten thousand million times the intended exposure (IEC 62494-1)."""

MOST_EDGE = 65535
"""Columns and rows of an image have 16 bits."""

COLLIMATOR_EDGES = (
    "CollimatorLeftVerticalEdge",
    "CollimatorRightVerticalEdge",
    "CollimatorUpperHorizontalEdge",
    "CollimatorLowerHorizontalEdge",
)
"""Of a rectangular collimator, in pixels of the image (PS3.3 C.8.7.3)."""

_TAGS: dict[str, int] = {
    keyword: int(tag_for_keyword(keyword) or 0)
    for keyword in [
        "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID",
        "SpecificCharacterSet",
        "ImageType",
        "SOPClassUID",
        "SOPInstanceUID",
        "StudyDate",
        "AcquisitionDate",
        "ContentDate",
        "AcquisitionDateTime",
        "AcquisitionTime",
        "ContentTime",
        "AccessionNumber",
        "Modality",
        "ConversionType",
        "PresentationIntentType",
        "Manufacturer",
        "StationName",
        "StudyDescription",
        "SeriesDescription",
        "TimezoneOffsetFromUTC",
        "OperatorsName",
        "ManufacturerModelName",
        "DerivationDescription",
        "DerivationCodeSequence",
        "SourceImageSequence",
        "IrradiationEventUID",
        "AnatomicRegionSequence",
        "PrimaryAnatomicStructureSequence",
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "IssuerOfPatientIDQualifiersSequence",
        "PatientBirthDate",
        "PatientAge",
        "BodyPartExamined",
        "DeviceSerialNumber",
        "SoftwareVersions",
        "ProtocolName",
        "ImagerPixelSpacing",
        "NominalScannedPixelSpacing",
        "CollimatorShape",
        *COLLIMATOR_EDGES,
        "ViewPosition",
        "ConvolutionKernel",
        "ExposureIndex",
        "TargetExposureIndex",
        "DeviationIndex",
        "DetectorID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "PatientOrientation",
        "Laterality",
        "ImageLaterality",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "NumberOfFrames",
        "SeriesNumber",
        "FrameOfReferenceUID",
        "NumberOfSeriesRelatedInstances",
        "Rows",
        "Columns",
        "PixelSpacing",
        "BitsAllocated",
        "BitsStored",
        "QualityControlImage",
        "QualityControlSubject",
        "BurnedInAnnotation",
        "WindowCenter",
        "VOILUTSequence",
        "ViewCodeSequence",
        "PartialView",
        "EstimatedRadiographicMagnificationFactor",
        "PerformedLocation",
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
    ]
}
TAGS = frozenset(_TAGS.values())
"""The elements of which a header is made."""
_OWN_TAGS = frozenset(_TAGS[keyword] for keyword in OWN_KEYWORDS)
MOST_COMMON_BYTES = 1 << 14
"""Of elements that are kept and compared with those of the next slice; enhanced images may have megabytes of them."""
MOST_KNOWN = 64
"""Series whose common elements are kept."""

FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
"""Where enhanced images keep what others keep at the top level (PS3.3 C.7.6.16)."""

_UNIVERSAL_ENTITY = (0x00400032, 0x00400033)
"""Universal Entity ID and its type, of the qualifiers of an issuer."""

# Words that often, but not always, mean a test object: a hint for what the pixels of a series show. Leeds is a town,
# Norma a name. The header only keeps whether one occurs.
_QUALITY_CONTROL = re.compile(
    r"phantom|quality.?(control|assurance)|constancy|flat.?field|acceptance.?test|test.?image"
    r"|(?<![a-z0-9])(qa|qc|cdrad|leeds|normi|acr)(?![a-z0-9])",
    re.IGNORECASE,
)


def read_header(
    path: Path, *, nameless: bool = False, relaxed: bool = False, anatomy: Anatomy = STANDARD
) -> tuple[Header, StudyRecord]:
    """The header of a DICOM file; preamble, group 2, correct VRs and required elements may be missing.

    With ``relaxed``, UIDs may have letters. With ``nameless``, they may also be missing, and an invalid UID is read as
    empty: use this to inspect a file without storing it. ``anatomy`` has the site's words for body parts and views.

    Raises
    ------
    DataSetError
        The file is not DICOM, is cut off, has no SOP class or instance UID, or has a UID that PS3.5 9.1 forbids.
    """
    return header_of(read_elements(path, TAGS), nameless=nameless, relaxed=relaxed, anatomy=anatomy)


def header_of(
    elements: Elements, *, nameless: bool = False, relaxed: bool = False, anatomy: Anatomy = STANDARD
) -> tuple[Header, StudyRecord]:
    """The same from elements with the tags :data:`TAGS` that are already read."""
    if elements.cut_off and _TAGS["StudyInstanceUID"] not in elements.by_tag:
        raise DataSetError("The data set breaks off in front of its Study Instance UID. Send it again.")
    values = Values(elements, _TAGS)
    shared, study = _shared_values(values, elements, nameless=nameless, relaxed=relaxed, anatomy=anatomy)
    return _header(values, shared, nameless=nameless, relaxed=relaxed), study


class HeaderReader:
    """Reads headers like :func:`header_of`; what slices of a series have in common, once for all of them.

    Nothing but :data:`OWN_KEYWORDS` may differ in value or order: then slices have the same body part, view, names …
    """

    def __init__(self, *, relaxed: bool = False, anatomy: Anatomy = STANDARD) -> None:
        self.relaxed, self.anatomy = relaxed, anatomy
        self._known: dict[tuple[Any, ...], tuple[dict[str, Any], StudyRecord]] = {}

    def read_file(self, path: Path) -> tuple[Header, StudyRecord]:
        """Like :func:`read_header`."""
        return self.read(read_elements(path, TAGS))

    def read(self, elements: Elements) -> tuple[Header, StudyRecord]:
        """Header and study; DataSetError as in :func:`read_header`. Safe to call from several threads."""
        common = [(tag, one.vr, one.value) for tag, one in elements.by_tag.items() if tag not in _OWN_TAGS]
        if elements.cut_off or sum([len(value) for _, _, value in common]) > MOST_COMMON_BYTES:
            return header_of(elements, relaxed=self.relaxed, anatomy=self.anatomy)
        key = (elements.transfer_syntax_uid, elements.implicit, elements.big_endian, elements.pixel_tag, *common)
        values = Values(elements, _TAGS)
        entry = self._known.get(key)
        if entry is None:
            entry = _shared_values(values, elements, relaxed=self.relaxed, anatomy=self.anatomy)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = entry
        shared, study = entry
        return _header(values, shared, relaxed=self.relaxed), study


def _header(values: Values, shared: Mapping[str, Any], *, nameless: bool = False, relaxed: bool = False) -> Header:
    identity = _any_identity if nameless else partial(_identity, partial(Values.uid, relaxed=relaxed))
    return Header(sop_instance_uid=SopInstanceUid(identity(values, "SOPInstanceUID")), **own_values(values), **shared)


def _shared_values(
    values: Values, elements: Elements, *, nameless: bool = False, relaxed: bool = False, anatomy: Anatomy
) -> tuple[dict[str, Any], StudyRecord]:
    """The fields of the header that do not depend on :data:`OWN_KEYWORDS`, and the study."""
    part = _part_naming(values)
    strict = partial(Values.uid, relaxed=relaxed)
    identity, uid = (_any_identity, _any_uid) if nameless else (partial(_identity, strict), strict)
    study = StudyInstanceUid(uid(values, "StudyInstanceUID"))
    shared = {
        "sop_class_uid": identity(values, "SOPClassUID"),
        "series_instance_uid": SeriesInstanceUid(uid(values, "SeriesInstanceUID")),
        "study_instance_uid": study,
        "transfer_syntax_uid": elements.transfer_syntax_uid,
        "modality": values.word("Modality"),
        "body_part_examined": anatomy.body_part(part, values.word("Modality")),
        "view_position": anatomy.view(_view_naming(values, part), values.words("PatientOrientation")),
        "image_laterality": values.word("ImageLaterality") or values.word("Laterality") or _coded_laterality(values),
        "patient_orientation": values.words("PatientOrientation"),
        "photometric_interpretation": values.word("PhotometricInterpretation"),
        "presentation_intent_type": values.word("PresentationIntentType"),
        "image_type": values.words("ImageType"),
        "rows": values.count("Rows"),
        "columns": values.count("Columns"),
        "number_of_frames": values.count("NumberOfFrames") or int(bool(elements.pixel_tag)),
        "samples_per_pixel": values.count("SamplesPerPixel"),
        "bits_allocated": values.count("BitsAllocated"),
        "bits_stored": values.count("BitsStored"),
        "pixel_spacing_mm": _spacing_mm(values),
        "station_name": values.text("StationName"),
        "manufacturer": values.text("Manufacturer"),
        "manufacturer_model_name": values.text("ManufacturerModelName"),
        "exposure_index": values.number("ExposureIndex", MOST_EXPOSURE),
        "target_exposure_index": values.number("TargetExposureIndex", MOST_EXPOSURE),
        "deviation_index": values.number("DeviationIndex", MOST_DEVIATION),
        "burned_in_annotation": values.word("BurnedInAnnotation"),
        "has_pixels": bool(elements.pixel_tag),
        "has_voi": _has_voi(values),
        "detector_id": values.text("DetectorID") or values.text("DeviceSerialNumber"),
        "performed_location": values.text("PerformedLocation"),
        "series_images": values.count("NumberOfSeriesRelatedInstances"),
        "quality_control": _is_quality_control(values, part, anatomy),
        "named_phantom": _names_phantom(values, part),
        "series_number": values.count("SeriesNumber") if values.numbers("SeriesNumber") else None,
        "frame_of_reference_uid": values.text("FrameOfReferenceUID")[:64],
        "derivation": derivations.derivation_of(values),
        "collimator_edges": _collimator_edges(values),
        "protocol_name": values.text("ProtocolName"),
        "series_description": values.text("SeriesDescription"),
        "convolution_kernel": values.text("ConvolutionKernel"),
        "software_versions": values.text("SoftwareVersions"),
        "view_modifier": view_modifier(values),
    }
    return shared, StudyRecord(
        study_instance_uid=study,
        accession_number=values.text("AccessionNumber"),
        patient_id=values.text("PatientID"),
        patient_name=values.text("PatientName"),
        patient_birth_date=values.date("PatientBirthDate", partial=True),
        authority=_issuer(values),
        study_date=values.date("StudyDate"),
        study_description=values.text("StudyDescription"),
        operators_name=values.text("OperatorsName").split("\\")[0].strip(),
    )


def _issuer(values: Values) -> str:
    universal = values.item_texts("IssuerOfPatientIDQualifiersSequence", _UNIVERSAL_ENTITY)
    return issuer_text(values.text("IssuerOfPatientID"), *universal)


def read_spacing_mm(path: Path) -> tuple[float, float] | None:
    """The pixel spacing as in :func:`read_header`, also for objects without UIDs."""
    return _spacing_mm(Values(read_elements(path, TAGS), _TAGS))


def _identity(read: Callable[[Values, str], str], values: Values, keyword: str) -> str:
    """The UID of the data set, else of the PS3.10 header; DataSetError if both are missing."""
    uid = read(values, keyword) or read(values, f"MediaStorage{keyword}")
    if not uid:
        raise DataSetError(
            "The data set has no {keyword}, so it can be neither stored nor named. Check the sender.", keyword=keyword
        )
    return uid


def _any_identity(values: Values, keyword: str) -> str:
    return _any_uid(values, keyword) or _any_uid(values, f"MediaStorage{keyword}")


def _any_uid(values: Values, keyword: str) -> str:
    try:
        return values.uid(keyword, relaxed=True)
    except DataSetError:
        return ""


def _spacing_mm(values: Values) -> tuple[float, float] | None:
    """(between rows, between columns): the pitch at the detector if it is known (PS3.3 10.7.1.3).

    A projection's Pixel Spacing may be calibrated to the anatomy; noise and sharpness depend on the detector.
    """
    for keyword in ("ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelSpacing"):
        if spacing := _pair(values.numbers(keyword)):
            return spacing
    for groups in FUNCTIONAL_GROUPS:
        if spacing := _pair(values.nested_numbers(groups, "PixelSpacing")):
            return spacing
    return None


def _pair(numbers: list[float]) -> tuple[float, float] | None:
    return (numbers[0], numbers[1]) if len(numbers) == 2 and min(numbers) > 0 else None


def _collimator_edges(values: Values) -> tuple[int, ...]:
    """Empty unless the collimator is rectangular, all edges are there, and something lies between them."""
    if "RECTANGULAR" not in values.words("CollimatorShape"):
        return ()
    edges = [number for keyword in COLLIMATOR_EDGES for number in values.numbers(keyword)[:1]]
    if len(edges) < len(COLLIMATOR_EDGES) or max(map(abs, edges)) > MOST_EDGE:
        return ()
    left, right, upper, lower = map(int, edges)
    return (left, right, upper, lower) if left < right and upper < lower else ()


def _part_naming(values: Values) -> Naming:
    regions = ("AnatomicRegionSequence", "PrimaryAnatomicStructureSequence")
    codes = tuple(values.code(region) for region in regions)
    return Naming(codes, values.phrase("BodyPartExamined"), _descriptions(values), _frame_regions(values))


def _frame_regions(values: Values) -> tuple[tuple[str, str], ...]:
    """From Frame Anatomy Sequence (0020,9071), of all frames or of each (PS3.3 C.7.6.16.2.8)."""
    regions = ("FrameAnatomySequence", "AnatomicRegionSequence")
    return next((codes for groups in FUNCTIONAL_GROUPS if (codes := values.nested_codes(groups, *regions))), ())


def _view_naming(values: Values, part: Naming) -> Naming:
    hints = (part.written, *part.hints)  # "CHEST PA"
    return Naming((values.code("ViewCodeSequence"),), values.phrase("ViewPosition"), hints)


def _descriptions(values: Values) -> tuple[str, ...]:
    return tuple(values.text(keyword) for keyword in ("SeriesDescription", "ProtocolName", "StudyDescription"))


def _coded_laterality(values: Values) -> str:
    """From Anatomic Region Modifier Sequence (0008,2220), CID 244."""
    return LATERALITY.get(values.code("AnatomicRegionSequence", "AnatomicRegionModifierSequence")[1], "")


def _has_voi(values: Values) -> bool:
    if values.numbers("WindowCenter") or values.holds("VOILUTSequence"):
        return True
    return any(bool(values.nested_numbers(group, "WindowCenter")) for group in FUNCTIONAL_GROUPS)


def _is_quality_control(values: Values, part: Naming, anatomy: Anatomy) -> bool:
    """What the standard's elements, the region or the site's own names say; other words prove nothing."""
    return (
        values.word("QualityControlImage") in ("YES", "BOTH")
        or values.word("QualityControlSubject") == "YES"
        or anatomy.body_part(Naming(part.codes, of_frames=part.of_frames)) == PHANTOM
        or anatomy.phantoms.include(values.text("PatientID"), values.text("PatientName"))
    )


def _names_phantom(values: Values, part: Naming) -> bool:
    texts = (values.text("PatientName"), values.text("PatientID"), *part.hints)
    return any(_QUALITY_CONTROL.search(text) is not None for text in texts)
