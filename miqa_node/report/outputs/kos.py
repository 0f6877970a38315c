"""Makes the Key Object Selection that marks a flagged image as a quality issue (PS3.16 TID 2010).

The title is 113010 Quality Issue, which archives only show. 113001 Rejected for Quality Reasons makes them hide or
delete the image, so only a person gives it, never a program (``rejection``).
"""

from __future__ import annotations

from collections.abc import Sequence as Many

from highdicom.sr import CodeContentItem, ContentSequence, ImageContentItem, RelationshipTypeValues, TextContentItem
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.domain.codes import UNKNOWN_FAILURE, Code
from miqa_node.domain.delivery import KOS
from miqa_node.domain.policy import Disposition
from miqa_node.report import codes
from miqa_node.report.content import coded, device_observer, evidence
from miqa_node.report.instance import code_sequence
from miqa_node.report.outputs.base import Draft, Output, OutputContext
from miqa_node.report.source import Source
from miqa_node.report.text import phrase

SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.88.59"
MAX_DESCRIPTION_CHARACTERS = 1024


def make_kos(context: OutputContext) -> Draft:
    """The key object document (PS3.3 A.35.4) of one flagged image, or of all images of a flagged series."""
    document = context.begin(OUTPUT)
    fill_kos(
        document,
        context.series or [context.source],
        codes.QUALITY_ISSUE,
        worst_reason(context.disposition),
        device_observer(context.settings),
        describe_disposition(context.disposition),
    )
    return Draft(document)


def fill_kos(
    document: Dataset, sources: Many[Source], title: Code, reason: Code, observer: ContentSequence, description: str
) -> None:
    """Title with the reason (CID 7011) as its modifier, observer, description, and the images that are meant."""
    first, *others = sources
    document.ReferencedPerformedProcedureStepSequence = Sequence()
    document.CurrentRequestedProcedureEvidenceSequence = evidence(
        first, *((other.series_instance_uid, other.sop_class_uid, other.sop_instance_uid) for other in others)
    )
    document.ValueType = "CONTAINER"
    document.ConceptNameCodeSequence = code_sequence(title)
    document.ContinuityOfContent = "SEPARATE"
    document.ContentTemplateSequence = Sequence([key_object_template()])
    document.ContentSequence = Sequence(
        [
            CodeContentItem(
                name=coded(codes.DOCUMENT_TITLE_MODIFIER),
                value=coded(reason),
                relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
            ),
            *observer,
            TextContentItem(
                name=coded(codes.KEY_OBJECT_DESCRIPTION),
                value=description,
                relationship_type=RelationshipTypeValues.CONTAINS,
            ),
            *(_image(source) for source in sources),
        ]
    )


def worst_reason(disposition: Disposition) -> Code:
    """The code (CID 7011) of the first reason that led to the verdict."""
    deciding = (reason.code for reason in disposition.reasons if reason.verdict is disposition.verdict)
    return next(deciding, UNKNOWN_FAILURE)


def describe_disposition(disposition: Disposition) -> str:
    """Verdict and reasons as one text."""
    sentence = "; ".join(reason.text for reason in disposition.reasons if reason.verdict.flagged)
    return phrase(f"{disposition.verdict}: {sentence}", MAX_DESCRIPTION_CHARACTERS)


def key_object_template() -> Dataset:
    """The template that key objects follow."""
    item = Dataset()
    item.MappingResource, item.TemplateIdentifier = "DCMR", "2010"
    return item


def _image(source: Source) -> Dataset:
    """The image as a whole: archives hide instances, and no frame of a series is judged separately."""
    image: Dataset = ImageContentItem(
        name=coded(codes.SOURCE_IMAGE),
        referenced_sop_class_uid=source.sop_class_uid,
        referenced_sop_instance_uid=source.sop_instance_uid,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    del image.ConceptNameCodeSequence  # TID 2010 row 6 has none; the class insists on one
    return image


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
