"""Copies patient and study attributes from the source to a result, byte for byte and unchanged.

Text is copied without decoding, so character sets, escape sequences and trailing blanks survive. It is recoded to UTF-8
only if the result needs characters missing from the source's set (:mod:`miqa_node.stages.report.text`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np
import structlog
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from miqa_node.dicom.bytes.charsets import ASCII, UTF_8, Recode, declared_sets, recoder
from miqa_node.dicom.bytes.uncompressed import WORD_BYTES
from miqa_node.stages.report.content_items import ContentItem, spell_items, texts_of
from miqa_node.stages.report.elements import UNDEFINED, Element, raw_element, raw_sequence
from miqa_node.stages.report.source import Source
from miqa_node.stages.report.text import fitting_sets, spell_texts

log = structlog.get_logger(__name__)


def keywords(text: str) -> tuple[str, ...]:
    """The words of a text, for readable lists of keywords."""
    return tuple(text.split())


# PS3.3 C.7.1.1, with attributes of older editions
PATIENT = keywords(
    "ReferencedPatientSequence PatientName PatientID IssuerOfPatientID TypeOfPatientID "
    "IssuerOfPatientIDQualifiersSequence SourcePatientGroupIdentificationSequence "
    "GroupOfPatientsIdentificationSequence PatientBirthDate PatientBirthTime "
    "PatientBirthDateInAlternativeCalendar PatientDeathDateInAlternativeCalendar PatientAlternativeCalendar PatientSex "
    "QualityControlSubject StrainDescription StrainNomenclature StrainStockSequence StrainAdditionalInformation "
    "StrainCodeSequence GeneticModificationsSequence OtherPatientIDs OtherPatientNames OtherPatientIDsSequence "
    "ReferencedPatientPhotoSequence EthnicGroup EthnicGroupCodeSequence PatientSpeciesDescription "
    "PatientSpeciesCodeSequence PatientBreedDescription PatientBreedCodeSequence BreedRegistrationSequence "
    "ResponsiblePerson ResponsiblePersonRole ResponsibleOrganization PatientComments PatientIdentityRemoved "
    "DeidentificationMethod DeidentificationMethodCodeSequence"
)
# PS3.3 C.7.1.3
CLINICAL_TRIAL_SUBJECT = keywords(
    "ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName IssuerOfClinicalTrialProtocolID "
    "OtherClinicalTrialProtocolIDsSequence ClinicalTrialSiteID ClinicalTrialSiteName IssuerOfClinicalTrialSiteID "
    "ClinicalTrialSubjectID IssuerOfClinicalTrialSubjectID ClinicalTrialSubjectReadingID "
    "IssuerOfClinicalTrialSubjectReadingID ClinicalTrialProtocolEthicsCommitteeName "
    "ClinicalTrialProtocolEthicsCommitteeApprovalNumber"
)
# PS3.3 C.7.2.1
GENERAL_STUDY = keywords(
    "StudyDate StudyTime AccessionNumber IssuerOfAccessionNumberSequence ReferringPhysicianName "
    "ReferringPhysicianIdentificationSequence ConsultingPhysicianName ConsultingPhysicianIdentificationSequence "
    "StudyDescription ProcedureCodeSequence PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence "
    "NameOfPhysiciansReadingStudy PhysiciansReadingStudyIdentificationSequence ReferencedStudySequence "
    "StudyInstanceUID StudyID RequestingService RequestingServiceCodeSequence ReasonForPerformedProcedureCodeSequence"
)
# PS3.3 C.7.2.2
PATIENT_STUDY = keywords(
    "AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence PatientAge PatientSize PatientSizeCodeSequence "
    "PatientBodyMassIndex MeasuredAPDimension MeasuredLateralDimension PatientWeight MedicalAlerts Allergies "
    "Occupation SmokingStatus AdditionalPatientHistory PregnancyStatus LastMenstrualDate PatientSexNeutered "
    "ReasonForVisit "
    "ReasonForVisitCodeSequence AdmissionID IssuerOfAdmissionIDSequence ServiceEpisodeID ServiceEpisodeDescription "
    "IssuerOfServiceEpisodeIDSequence PatientState"
)
# PS3.3 C.7.2.3
CLINICAL_TRIAL_STUDY = keywords(
    "ClinicalTrialTimePointID ClinicalTrialTimePointDescription LongitudinalTemporalOffsetFromEvent "
    "LongitudinalTemporalEventType ClinicalTrialTimePointTypeCodeSequence IssuerOfClinicalTrialTimePointID "
    "ConsentForClinicalTrialUseSequence"
)
CONTEXT = ("SpecificCharacterSet", "TimezoneOffsetFromUTC")
"""Attributes without which the copied text and times would have another meaning."""

TYPE_2 = keywords(
    "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime AccessionNumber "
    "ReferringPhysicianName StudyID"
)
"""Required, and allowed to be empty, in every result (PS3.3 C.7.1.1, C.7.2.1)."""

_INHERITED = tuple(
    Tag(tag)
    for tag in map(
        tag_for_keyword,
        (*CONTEXT, *PATIENT, *CLINICAL_TRIAL_SUBJECT, *GENERAL_STUDY, *PATIENT_STUDY, *CLINICAL_TRIAL_STUDY),
    )
    if tag is not None
)
_TYPE_2_VRS = {Tag(keyword): dictionary_VR(keyword) for keyword in TYPE_2}
_CHARACTER_SET = Tag("SpecificCharacterSet")
_TYPE_1C = {
    _CHARACTER_SET,
    *map(
        Tag,
        keywords(
            "PatientAlternativeCalendar PatientSpeciesDescription PatientSpeciesCodeSequence ResponsiblePersonRole "
            "DeidentificationMethod DeidentificationMethodCodeSequence ClinicalTrialSubjectID "
            "ClinicalTrialSubjectReadingID ClinicalTrialProtocolEthicsCommitteeName"
        ),
    ),
}
"""Inherited elements that some senders leave empty, which the standard forbids (PS3.3 C.7.1.1, C.7.1.3, C.12.1)."""
_BINARY_VRS = frozenset(keywords("AT FD FL SL SS SV UL US UV OB OD OF OL OV OW"))


def inherit(
    own: Dataset,
    source: Source,
    copied: Mapping[BaseTag, Element] | None = None,
    content: Sequence[ContentItem] = (),
) -> tuple[Mapping[BaseTag, Element], tuple[str, ...]]:
    """(inherited elements, character sets for writing ``own`` and its ``content``).

    The source's character set stays if it can encode both; otherwise the result is in UTF-8, with the inherited text
    recoded. If the inherited text violates its declared set, both are spelled in ASCII. ``copied`` is inherited
    unchanged.
    """
    declared = declared_sets(source.header)
    sets = fitting_sets(own, declared, texts_of(content))
    if sets is None and copied is None:
        try:
            elements = inherited_elements(source, recoder(declared))
        except UnicodeError:
            log.warning("a result is spelled in ASCII: the image's text breaks its character set")
        else:
            elements[_CHARACTER_SET] = DataElement(_CHARACTER_SET, "CS", UTF_8)
            return elements, (UTF_8,)
    if sets is None:
        spell_texts(own)
        spell_items(content)
    return (inherited_elements(source) if copied is None else copied), sets or ASCII


def inherited_elements(source: Source, recode: Recode | None = None) -> dict[BaseTag, Element]:
    """All inherited elements, ready for Explicit VR Little Endian."""
    elements = copy_elements(source.header, (tag for tag in _INHERITED if tag in source.header), recode)
    for tag in _TYPE_1C & elements.keys():
        value = elements[tag].value
        if not value or (isinstance(value, bytes) and not value.strip()):
            del elements[tag]  # absent or with a value (PS3.5 7.4.2)
    for tag, vr in _TYPE_2_VRS.items():
        elements.setdefault(tag, DataElement(tag, vr, None))
    return elements


def copy_elements(dataset: Dataset, tags: Iterable[BaseTag], recode: Recode | None = None) -> dict[BaseTag, Element]:
    """These elements of a data set, ready for Explicit VR Little Endian.

    Text keeps its encoding or is recoded; UnicodeError if recoding is ambiguous.
    """
    return {tag: _copy_element(dataset, tag, recode) for tag in tags}


def _copy_element(dataset: Dataset, tag: BaseTag, recode: Recode | None) -> Element:
    element = cast("Element", dataset.get_item(tag, keep_deferred=True))  # else pydicom decodes an empty value
    if isinstance(element, RawDataElement):
        vr = _vr_of(element)
        if vr != "SQ" and vr not in _BINARY_VRS and " or " not in vr:
            value = element.value or b""
            return raw_element(tag, vr, value if recode is None else recode(vr, value))
    try:
        decoded = dataset[tag]  # here pydicom resolves ambiguous VRs of the dictionary, such as US or SS
    except Exception:  # pydicom raises many for a value that contradicts its VR, or whose VR depends on what is absent
        if not isinstance(element, RawDataElement) or element.length == UNDEFINED:
            raise
        dataset[tag] = element  # pydicom has left it half decoded
        return raw_element(tag, "UN", element.value or b"")  # as it came, for whoever can read it (PS3.5 6.2.2)
    if decoded.VR == "SQ":
        if recode is not None and any("SpecificCharacterSet" in item for item in decoded.value):
            raise UnicodeError("an item has a character set of its own")
        return raw_sequence(tag, (copy_elements(item, item.keys(), recode) for item in decoded.value))
    return in_little_endian(dataset, decoded)


def in_little_endian(dataset: Dataset, element: DataElement) -> DataElement:
    """The element of a data set in little endian; swaps words that pydicom leaves in file order."""
    size = WORD_BYTES.get(str(element.VR))
    if size is None or dataset.original_encoding[1] is not False or not isinstance(element.value, bytes):
        return element
    words = np.frombuffer(element.value[: len(element.value) // size * size], f">u{size}")
    return DataElement(element.tag, element.VR, words.astype(f"<u{size}").tobytes())


def _vr_of(element: RawDataElement) -> str:
    """The VR as sent; for implicit VR and UN, the dictionary's (private elements stay UN)."""
    if element.VR not in (None, "UN"):
        return str(element.VR)
    try:
        return dictionary_VR(element.tag)
    except KeyError:
        return "UN"
