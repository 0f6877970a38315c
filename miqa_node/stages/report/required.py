"""The elements that each kind of object must have: type 1 with a value, type 2 possibly empty (PS3.5 7.4)."""

from __future__ import annotations

from functools import lru_cache

from miqa_node.stages.report import capture, seg
from miqa_node.stages.report.outputs import airai, gsps, kos, pdf, sr

PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"

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
    PARAMETRIC_MAP: {
        1: _CONTENT + _PIXELS + "ContentLabel ContentQualification NumberOfFrames PixelPresentation "
        "PresentationLUTShape BurnedInAnnotation RecognizableVisualFeatures SharedFunctionalGroupsSequence "
        "PerFrameFunctionalGroupsSequence DimensionOrganizationSequence DimensionIndexSequence "
        "ReferencedSeriesSequence FrameOfReferenceUID",
        2: "ContentDescription ContentCreatorName AcquisitionContextSequence",
    },
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


@lru_cache(maxsize=64)
def required(sop_class_uid: str, kind: int) -> tuple[str, ...]:
    """Keywords of the elements of one type in objects of a class."""
    return (*_EVERY_OBJECT[kind].split(), *_BY_CLASS.get(sop_class_uid, {}).get(kind, "").split())
