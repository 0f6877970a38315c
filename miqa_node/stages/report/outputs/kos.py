"""Makes the Key Object Selection that marks a flagged image as a quality issue (PS3.16 TID 2010).

The title is 113010 Quality Issue, which archives only display. 113001 Rejected for Quality Reasons makes them hide or
delete the image, so only a person may issue it, never a program (``rejection``).
"""

from __future__ import annotations

from collections.abc import Sequence as Many

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.codes import UNKNOWN_FAILURE, Code
from miqa_node.core.domain.delivery import KOS
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.words import codes
from miqa_node.stages.report.code_items import code_sequence
from miqa_node.stages.report.content import content_template, device_observer, evidence
from miqa_node.stages.report.content_items import ContentItem, Relationship, code_item, reference_item, text_item
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext
from miqa_node.stages.report.source import Source
from miqa_node.stages.report.text import phrase

SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.88.59"
MAX_DESCRIPTION_CHARACTERS = 1024


def make_kos(context: OutputContext) -> Draft:
    """The key object document (PS3.3 A.35.4) of one flagged image, or of all images of a flagged series."""
    document, sources = context.begin(OUTPUT), context.series or [context.source]
    fill_kos(document, sources, codes.QUALITY_ISSUE)
    description = describe_disposition(context.disposition)
    observer = device_observer(context.settings)
    return Draft(document, content=kos_content(sources, worst_reason(context.disposition), observer, description))


def fill_kos(document: Dataset, sources: Many[Source], title: Code) -> None:
    """Title, template, and the images as evidence."""
    first, *others = sources
    document.ReferencedPerformedProcedureStepSequence = Sequence()
    document.CurrentRequestedProcedureEvidenceSequence = evidence(
        first, *((other.series_instance_uid, other.sop_class_uid, other.sop_instance_uid) for other in others)
    )
    document.ValueType = "CONTAINER"
    document.ConceptNameCodeSequence = code_sequence(title)
    document.ContinuityOfContent = "SEPARATE"
    document.ContentTemplateSequence = content_template("2010")


def kos_content(
    sources: Many[Source], reason: Code, observer: Many[ContentItem], description: str
) -> list[ContentItem]:
    """The reason (CID 7011), which modifies the title, then observer, description and referenced images."""
    return [
        code_item(codes.DOCUMENT_TITLE_MODIFIER, reason, Relationship.HAS_CONCEPT_MOD),
        *observer,
        text_item(codes.KEY_OBJECT_DESCRIPTION, description),
        # Whole instances: archives hide instances, and no frame of a series is judged separately. Row 6 has no name.
        *(
            reference_item("IMAGE", None, one.sop_class_uid, one.sop_instance_uid, Relationship.CONTAINS)
            for one in sources
        ),
    ]


def worst_reason(disposition: Disposition) -> Code:
    """The code (CID 7011) of the first reason that led to the verdict."""
    deciding = (reason.code for reason in disposition.reasons if reason.verdict is disposition.verdict)
    return next(deciding, UNKNOWN_FAILURE)


def describe_disposition(disposition: Disposition) -> str:
    """Verdict and reasons as one text."""
    sentence = "; ".join(reason.text for reason in disposition.reasons if reason.verdict.flagged)
    return phrase(f"{disposition.verdict.words}: {sentence}", MAX_DESCRIPTION_CHARACTERS)


OUTPUT = Output(
    kind=KOS,
    modality="KO",
    series_number=9903,
    description="Quality issue",
    sop_class_uid=SOP_CLASS_UID,
    by_default=True,
    make=make_kos,
    order=30,
)
