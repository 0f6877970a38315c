"""Makes the Encapsulated PDF: a page for viewers that show neither reports nor overlays (PS3.3 A.45.1)."""

from __future__ import annotations

from pydicom.sequence import Sequence

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.words import codes
from miqa_node.stages.report.code_items import code_sequence
from miqa_node.stages.report.instance import reference
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext
from miqa_node.stages.report.page import draw_pdf
from miqa_node.stages.report.source import text

SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.104.1"


def make_pdf(context: OutputContext) -> Draft | None:
    """The page (:func:`miqa_node.stages.report.page.draw_pdf`) as an object."""
    if context.radiograph is None:
        return None
    source, display = context.source, context.radiograph.display
    page = draw_pdf(context.assessment, context.disposition, display, context.regions, context.settings.language)
    document = context.begin(OUTPUT)
    document.ConversionType = "WSD"
    document.AcquisitionDateTime = None
    # The page names nobody, but it shows the image with any burned-in text.
    document.BurnedInAnnotation = "YES" if text(source.header, "BurnedInAnnotation") == "YES" else "NO"
    document.DocumentTitle = "Image quality report"
    document.ConceptNameCodeSequence = code_sequence(codes.IMAGING_MEASUREMENT_REPORT)
    image = reference(source.sop_class_uid, source.sop_instance_uid)
    image.PurposeOfReferenceCodeSequence = code_sequence(codes.SOURCE_IMAGE)
    document.SourceInstanceSequence = Sequence([image])
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(page)
    document.EncapsulatedDocument = page + b"\0" * (len(page) % 2)
    return Draft(document)


OUTPUT = Output(
    kind=ResultKind("PDF"),
    modality="DOC",
    series_number=9906,
    description="Image quality report, page",
    sop_class_uid=SOP_CLASS_UID,
    make=make_pdf,
    order=90,
)
