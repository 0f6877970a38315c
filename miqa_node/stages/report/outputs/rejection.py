"""Makes a person's rejection note, on which archives hide images: Key Object Selection 113001 (RAD TF-2 4.66).

The pipeline never makes one: it results from a person's decision in the worklist, and names that person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.delivery import REJECTION
from miqa_node.core.domain.implementation import made_by
from miqa_node.core.words import codes
from miqa_node.errors import ReportError
from miqa_node.stages.report.content import device_observer, person_observer
from miqa_node.stages.report.inherit import inherit
from miqa_node.stages.report.instance import begin_instance
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.outputs.base import Output
from miqa_node.stages.report.outputs.kos import MAX_DESCRIPTION_CHARACTERS, SOP_CLASS_UID, fill_kos, kos_content
from miqa_node.stages.report.source import read_source, whatever_the_header
from miqa_node.stages.report.text import typed_text
from miqa_node.stages.report.uids import Lineage
from miqa_node.stages.report.validate import check_file
from miqa_node.stages.report.write import encode


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A person's decision that images are rejected: who, when, why (a code value of CID 7011), and a comment.

    ``number`` counts earlier decisions about the study: after a withdrawn decision, the note is a different object.
    """

    actor: str
    confirmed_at: datetime
    reason: str
    comment: str = ""
    number: int = 0


@whatever_the_header
def rejection_note(
    sources: Sequence[Path],
    assessment: Assessment,
    confirmation: Confirmation,
    settings: ReportSettings | None = None,
) -> MadeObject:
    """The note about ``sources``, DICOM files of one study; ``assessment`` is that of the first.

    Its UID is derived from the images and the reason, so confirming again sends the same object again.

    Raises
    ------
    ReportError
        There is no image, they are of different studies, or the reason is not of CID 7011.
    """
    settings = settings or ReportSettings()
    with made_by(settings.version):
        return _note(sources, assessment, confirmation, settings)


def _note(
    sources: Sequence[Path], assessment: Assessment, confirmation: Confirmation, settings: ReportSettings
) -> MadeObject:
    images = [read_source(path) for path in sources]
    reason = REASON_CODES.get(confirmation.reason)
    if reason is None:
        raise ReportError(
            "{reason} is not a reason of CID 7011; known are {reason_codes}.",
            reason=f"{confirmation.reason!r}",
            reason_codes=", ".join(sorted(REASON_CODES)),
        )
    if len({image.study_instance_uid for image in images}) != 1:
        raise ReportError("A rejection note needs images of exactly one study.")
    again = (f"decision {confirmation.number}",) if confirmation.number else ()
    lineage = Lineage(("rejection", reason.value, *sorted(image.sop_instance_uid for image in images), *again))
    confirmed = replace(assessment, assessed_at=confirmation.confirmed_at)
    note = begin_instance(OUTPUT, images[0], confirmed, lineage, settings)
    actor = confirmation.actor
    sentence = f"Rejected by {actor}: {reason.meaning}" + (f". {confirmation.comment}" if confirmation.comment else "")
    fill_kos(note, images, codes.REJECTED_FOR_QUALITY)
    observers = [*person_observer(actor), *device_observer(settings)]
    content = kos_content(images, reason, observers, typed_text(sentence, MAX_DESCRIPTION_CHARACTERS))
    inherited, sets = inherit(note, images[0], content=content)
    data = encode(note, inherited, character_sets=sets, content=content)
    check_file(data, note.SOPClassUID, note.SOPInstanceUID, images[:1], inherited, sets)
    return MadeObject(REJECTION, note.SOPClassUID, note.SOPInstanceUID, data)


OUTPUT = Output(
    kind=REJECTION,
    modality="KO",
    series_number=9908,
    description="Rejected for quality reasons",
    sop_class_uid=SOP_CLASS_UID,
)
