"""Makes the Encapsulated PDF: the page for people whose viewer shows neither reports nor overlays (PS3.3 A.45.1)."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.delivery import ResultKind
from miqa_node.report import codes
from miqa_node.report.instance import begin_instance, code_sequence, reference
from miqa_node.report.made import ReportSettings
from miqa_node.report.source import Source, text
from miqa_node.report.uids import Lineage

SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.104.1"


def make_pdf(
    source: Source, assessment: Assessment, page: bytes, lineage: Lineage, settings: ReportSettings
) -> Dataset:
    """The page (:func:`miqa_node.report.page.draw_pdf`) as an object."""
    document = begin_instance(ResultKind.PDF, SOP_CLASS_UID, source, assessment, lineage, settings)
    document.ConversionType = "WSD"
    document.AcquisitionDateTime = None
    # The page names nobody, but it shows the image, and what is burned into that.
    document.BurnedInAnnotation = "YES" if text(source.header, "BurnedInAnnotation") == "YES" else "NO"
    document.DocumentTitle = "Image quality report"
    document.ConceptNameCodeSequence = code_sequence(codes.IMAGING_MEASUREMENT_REPORT)
    image = reference(source.sop_class_uid, source.sop_instance_uid)
    image.PurposeOfReferenceCodeSequence = code_sequence(codes.SOURCE_IMAGE)
    document.SourceInstanceSequence = Sequence([image])
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(page)
    document.EncapsulatedDocument = page + b"\0" * (len(page) % 2)
    return document
