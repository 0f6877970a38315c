"""Withdraws a key object of the node after its image was judged again or a person found it good.

The convention is described in docs/reference/results.md, "Judged again".

A Key Object Selection has no Predecessor Documents Sequence, and an IOCM rejection would make archives hide something.
So the node sends another key object, titled Quality Issue Withdrawn, that refers to the old one and to no image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pydicom import dcmread

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import KOS, ResultKind
from miqa_node.core.domain.implementation import made_by
from miqa_node.core.domain.output import OutputKind
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.domain.worklist import Review
from miqa_node.core.words import codes
from miqa_node.stages.report.content import device_observer, person_observer
from miqa_node.stages.report.content_items import Relationship, reference_item, text_item
from miqa_node.stages.report.inherit import inherit
from miqa_node.stages.report.instance import begin_instance
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.outputs.kos import MAX_DESCRIPTION_CHARACTERS, SOP_CLASS_UID, fill_kos
from miqa_node.stages.report.source import read_source, whatever_the_header
from miqa_node.stages.report.text import typed_text
from miqa_node.stages.report.uids import Lineage
from miqa_node.stages.report.validate import check_file
from miqa_node.stages.report.write import encode

WITHDRAWAL = OutputKind(ResultKind("WITHDRAWAL"), "KO", 9912, "Quality issue withdrawn", SOP_CLASS_UID)


@whatever_the_header
def withdraw_key_object(
    path: Path,
    assessment: Assessment,
    disposition: Disposition,
    settings: ReportSettings,
    review: Review | None = None,
) -> MadeObject | None:
    """The object that withdraws the one in a file; None if the file is not a key object about a quality issue.

    ``assessment`` and ``disposition`` are the new ones, or those that a ``review`` contradicts.
    The same arguments give the same bytes.
    """
    with made_by(settings.version):
        return _withdrawal(path, assessment, disposition, settings, review)


def _withdrawal(
    path: Path, assessment: Assessment, disposition: Disposition, settings: ReportSettings, review: Review | None
) -> MadeObject | None:
    noted = read_source(path)
    title = noted.header.get("ConceptNameCodeSequence")
    if not title or title[0].get("CodeValue") != codes.QUALITY_ISSUE.value:
        return None
    lineage = Lineage.of(noted.sop_instance_uid, assessment, disposition)
    why = f"the image was judged again: {disposition.verdict.words}."
    observers = [*device_observer(settings)]
    if review is not None:
        assessment, lineage = replace(assessment, assessed_at=review.at), lineage.decided(review.number)
        why, observers = review.sentence, [*person_observer(review.actor), *observers]
    document = begin_instance(WITHDRAWAL, noted, assessment, lineage, settings)
    sentence = f"Key object {noted.sop_instance_uid} no longer holds: {why}"
    fill_kos(document, [noted], codes.QUALITY_ISSUE_WITHDRAWN.code)
    content = [
        *observers,
        text_item(codes.KEY_OBJECT_DESCRIPTION, typed_text(sentence, MAX_DESCRIPTION_CHARACTERS)),
        # TID 2010 row 7, which has no name: the withdrawn key object.
        reference_item("COMPOSITE", None, noted.sop_class_uid, noted.sop_instance_uid, Relationship.CONTAINS),
    ]
    inherited, sets = inherit(document, noted, content=content)
    data = encode(document, inherited, character_sets=sets, content=content)
    check_file(data, document.SOPClassUID, document.SOPInstanceUID, [noted], inherited, sets)
    return MadeObject(KOS, document.SOPClassUID, document.SOPInstanceUID, data)


def notes_in_force(paths: Iterable[Path]) -> list[Path]:
    """The node's key objects about a quality issue that none of these files withdraws."""
    notes, withdrawn = {}, set()
    for path in paths:
        document = dcmread(path, stop_before_pixels=True)
        title = document.ConceptNameCodeSequence[0].CodeValue
        if title == codes.QUALITY_ISSUE.value:
            notes[document.SOPInstanceUID] = path
        elif title == codes.QUALITY_ISSUE_WITHDRAWN.value:
            composites = (item for item in document.ContentSequence if item.ValueType == "COMPOSITE")
            withdrawn |= {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in composites}
    return [path for uid, path in notes.items() if uid not in withdrawn]
