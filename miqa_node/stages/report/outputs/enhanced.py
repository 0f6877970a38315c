"""Makes the enhanced image as a separate object in a new series, never as a replacement of the original.

It is the source's data set with other pixels (PS3.3 C.7.6.1, Image Type DERIVED, SECONDARY): patient, study, frame of
reference, acquisition and window are unchanged byte for byte; identity, series and equipment are new.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.image import EnhancedImage
from miqa_node.core.domain.implementation import MANUFACTURER
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.words import codes
from miqa_node.core.words.algorithms import of_model, of_node
from miqa_node.dicom.bytes.numbers import numbers, single_number
from miqa_node.stages.report import capture
from miqa_node.stages.report.code_items import code_sequence
from miqa_node.stages.report.elements import Element, elements_of, raw_sequence
from miqa_node.stages.report.equipment import contributing_equipment
from miqa_node.stages.report.inherit import copy_elements, inherited_elements, keywords
from miqa_node.stages.report.instance import local_time, private_scheme, reference, software_versions
from miqa_node.stages.report.lossy import add_lossy_history
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext
from miqa_node.stages.report.source import SPACINGS, Source, read_source, text, whatever_the_header
from miqa_node.stages.report.text import phrase, typed_text
from miqa_node.stages.report.uids import Lineage
from miqa_node.stages.report.validate import check_file
from miqa_node.stages.report.write import code_string, encode

NOT_COPIED = keywords(
    "IconImageSequence PixelDataProviderURL SmallestImagePixelValue LargestImagePixelValue SmallestPixelValueInSeries "
    "LargestPixelValueInSeries LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod "
    "DigitalSignaturesSequence MACParametersSequence SourceImageSequence ReferencedInstanceSequence "
    "DerivationImageSequence InstanceCreationDate InstanceCreationTime InstanceCreatorUID SeriesDate SeriesTime "
    "DeviceUID SeriesDescriptionCodeSequence ImageComments QualityControlImage "
    "SOPInstanceStatus SOPAuthorizationDateTime SOPAuthorizationComment AuthorizationEquipmentCertificationNumber"
)
"""Attributes of the source's own pixels, file or series, which would be wrong here."""
EQUIPMENT = keywords("Manufacturer ManufacturerModelName DeviceSerialNumber SoftwareVersions StationName")
"""Attributes of the source kept as contributing equipment (PS3.3 C.12.1)."""
MAX_DESCRIPTION_CHARACTERS = 1024
_OVERLAYS = range(0x6000, 0x6020, 2)


@whatever_the_header
def make_enhanced(
    source: Path,
    enhanced: EnhancedImage,
    digest: InstanceDigest,
    settings: ReportSettings | None = None,
    made_at: datetime | None = None,
) -> MadeObject:
    """The derived image of a DICOM file.

    Its UIDs are derived from the source, its bytes, the methods and the model, so the same enhancement is the same
    object. ``made_at`` becomes Instance Creation Date and Time; without it, both are left out.

    Raises
    ------
    ReportError
        The source has no identity to refer to, or the object would not be valid DICOM.
    """
    image = read_source(source)
    draft = _draft(image, enhanced, digest, settings or ReportSettings(), made_at)
    data = encode(draft.own, draft.copied or {})
    check_file(data, draft.own.SOPClassUID, draft.own.SOPInstanceUID, [image], draft.copied or {})
    return MadeObject(OUTPUT.kind, draft.own.SOPClassUID, draft.own.SOPInstanceUID, data)


def _make(context: OutputContext) -> Draft | None:
    """Made from the image, whatever the verdict, without the current time, so that a repeat gives the same file."""
    assessment = context.assessment
    if not can_be_derived(context.source) or context.enhanced is None:
        return None
    # Read the file again: other outputs decode elements of the shared header, and text must keep the sender's encoding.
    image = read_source(context.path)
    return _draft(image, context.enhanced, assessment.digest, context.settings, assessment.assessed_at)


def _draft(
    image: Source, enhanced: EnhancedImage, digest: InstanceDigest, settings: ReportSettings, made_at: datetime | None
) -> Draft:
    own = _own(image, enhanced, _lineage(image, enhanced, digest), settings, made_at)
    return Draft(own, _copied(image, enhanced.model))


def can_be_derived(image: Source) -> bool:
    """Whether the node can write a copy: one frame of one sample per pixel."""
    return image.number_of_frames <= 1 and (single_number(image.header, "SamplesPerPixel") or 1.0) == 1.0


def _lineage(image: Source, enhanced: EnhancedImage, digest: InstanceDigest) -> Lineage:
    model = enhanced.model
    made_by = (model.name, model.version, model.sha256) if model else ("", "", "")
    return Lineage((image.sop_instance_uid, digest, *made_by, *enhanced.methods))


def _own(
    image: Source, enhanced: EnhancedImage, lineage: Lineage, settings: ReportSettings, made_at: datetime | None
) -> Dataset:
    own = Dataset()
    own.SOPClassUID = image.sop_class_uid
    own.SOPInstanceUID = lineage.uid(OUTPUT.kind, "instance")
    own.SeriesInstanceUID = lineage.uid(OUTPUT.kind, "series")
    own.StudyInstanceUID = image.study_instance_uid
    own.SeriesNumber, own.InstanceNumber = OUTPUT.series_number, 1
    own.Modality = code_string(image.modality) or "OT"
    own.SeriesDescription = phrase(f"{OUTPUT.description}: {', '.join(enhanced.methods)}", 64)
    own.ImageType = ["DERIVED", "SECONDARY", *_further_image_type(image)]
    own.DerivationDescription = phrase("; ".join(enhanced.steps), MAX_DESCRIPTION_CHARACTERS)
    own.DerivationCodeSequence = code_sequence(*_derivation(enhanced))
    original = reference(image.sop_class_uid, image.sop_instance_uid, image.frame_numbers)
    original.PurposeOfReferenceCodeSequence = code_sequence(codes.SOURCE_IMAGE)
    original.SpatialLocationsPreserved = "YES"
    own.SourceImageSequence = Sequence([original])
    if enhanced.contrast_changed:
        own.CodingSchemeIdentificationSequence = Sequence([private_scheme()])
    if made_at is not None:
        moment = local_time(made_at, image, settings.zone)
        own.InstanceCreationDate, own.InstanceCreationTime = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.%f")
    if image.sop_class_uid == capture.SOP_CLASS_UID:
        _complete_capture(own, image, made_at, settings.zone)
    _add_equipment(own, enhanced, settings)
    _add_pixels(own, enhanced)
    _add_window(own, image, enhanced)
    add_lossy_history(own, image)
    return own


def _complete_capture(own: Dataset, image: Source, made_at: datetime | None, zone: tzinfo | None) -> None:
    """Required elements of Secondary Captures (PS3.3 A.8.1) that the source lacks."""
    if made_at is not None and not (text(image.header, "ContentDate") and text(image.header, "ContentTime")):
        moment = local_time(made_at, image, zone)
        own.ContentDate, own.ContentTime = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.%f")
    side = () if text(image.header, "BodyPartExamined") else (("Laterality", None),)
    for keyword, otherwise in (("ConversionType", "WSD"), ("PatientOrientation", None), *side):
        if keyword not in image.header:
            setattr(own, keyword, otherwise)


def _further_image_type(image: Source) -> list[str]:
    """Values 3 and higher, which describe the view, not the origin of the pixels."""
    image_type = image.header.get("ImageType") or ()
    values = [image_type] if isinstance(image_type, str) else [str(value) for value in image_type]
    return [code_string(value) for value in values[2:]]


def _derivation(enhanced: EnhancedImage) -> list[Code]:
    chosen = ((enhanced.smoothed, codes.SMOOTHING), (enhanced.contrast_changed, codes.CONTRAST_ENHANCEMENT.code))
    return [code for done, code in chosen if done]


def _add_equipment(own: Dataset, enhanced: EnhancedImage, settings: ReportSettings) -> None:
    """General Equipment (PS3.3 C.7.5.1): the node, which made this series."""
    own.Manufacturer = own.ManufacturerModelName = MANUFACTURER
    own.DeviceSerialNumber = typed_text(settings.node_name, 64) or MANUFACTURER
    own.SoftwareVersions = software_versions(of_node(), *([of_model(enhanced.model)] if enhanced.model else []))


def _add_pixels(own: Dataset, enhanced: EnhancedImage) -> None:
    """The stored values as decoded: without unused bits, uncompressed (PS3.3 C.7.6.3)."""
    stored = np.ascontiguousarray(enhanced.image.stored)
    low, high = enhanced.image.stored_range
    own.Rows, own.Columns = stored.shape
    own.SamplesPerPixel = 1
    own.BitsAllocated = 8 * stored.dtype.itemsize
    own.BitsStored = (high - low).bit_length()
    own.HighBit = own.BitsStored - 1
    own.PixelRepresentation = 1 if stored.dtype.kind == "i" else 0
    data = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    own.add_new("PixelData", "OB" if own.BitsAllocated == 8 else "OW", data + b"\0" * (len(data) % 2))


def _add_window(own: Dataset, image: Source, enhanced: EnhancedImage) -> None:
    """If the source has no window, add the range that viewers would take from its pixels (PS3.3 C.11.2)."""
    header = image.header
    if any(header.get(keyword) for keyword in ("WindowCenter", "VOILUTSequence", "ModalityLUTSequence")):
        return
    original = enhanced.source
    used = original.stored if original.valid is None else original.stored[original.valid]
    slope, intercept = (
        (single_number(header, "RescaleSlope") or 1.0),
        (single_number(header, "RescaleIntercept") or 0.0),
    )
    ends = sorted(float(value) * slope + intercept for value in (used.min(), used.max()))
    own.WindowCenter = f"{(ends[0] + ends[1]) / 2.0 + 0.5:.10g}"[:16]
    own.WindowWidth = f"{max(1.0, ends[1] - ends[0] + 1.0):.10g}"[:16]


def _copied(image: Source, model: ModelIdentity | None) -> dict[BaseTag, Element]:
    """The source's elements unchanged, except those that would be wrong here."""
    header = image.header
    left_out = {Tag(tag) for tag in map(tag_for_keyword, (*NOT_COPIED, *EQUIPMENT)) if tag is not None}
    # A spacing of zero, which some digitisers write, is not a spacing.
    left_out |= {Tag(keyword) for keyword in SPACINGS if 0.0 in (numbers(header, keyword, 2) or ())}
    if single_number(header, "NumberOfFrames") != 1:
        left_out.add(Tag("NumberOfFrames"))  # there is one
    in_pixels = {group for group in _OVERLAYS if Tag(group, 0x3000) not in header}
    tags = (
        tag
        for tag in header.keys()  # noqa: SIM118 - iterating a data set decodes every value
        if tag not in left_out and tag.element != 0 and tag.group not in in_pixels
    )
    copied = {**copy_elements(header, tags), **inherited_elements(image)}
    copied[Tag("ContributingEquipmentSequence")] = _equipment(header, model)
    return copied


def _equipment(header: Dataset, model: ModelIdentity | None) -> Element:
    """What contributed to the source, the device that made it, and the algorithms of the copy (PS3.3 C.12.1)."""
    tag = Tag("ContributingEquipmentSequence")
    items = [copy_elements(item, item.keys()) for item in header.get("ContributingEquipmentSequence") or ()]
    if text(header, "Manufacturer"):
        item = copy_elements(header, [Tag(keyword) for keyword in EQUIPMENT if Tag(keyword) in header])
        purpose = Dataset()
        purpose.PurposeOfReferenceCodeSequence = code_sequence(codes.ACQUISITION_EQUIPMENT)
        item.update(elements_of(purpose))
        items.append(item)
    algorithms = (of_node(), *([of_model(model)] if model else []))
    return raw_sequence(tag, [*items, *map(elements_of, contributing_equipment(*algorithms))])


OUTPUT = Output(
    kind=ResultKind("ENHANCED"),
    modality="",
    series_number=9909,
    description="Enhanced image",
    sop_class_uid="",
    make=_make,
    order=200,
    of_series=False,
    only_flagged=False,
)
