"""A note of another system about images: a Key Object Selection (PS3.3 A.35.4) that takes them out of use."""

from __future__ import annotations

from miqa_node.core.domain.instance import Header, StoredInstance
from miqa_node.core.domain.note import RejectionNote
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.dicom.bytes.notes import KEY_OBJECT_SELECTION, read_note
from miqa_node.stages.units.base import Unit, UnitContext, not_assessed
from miqa_node.stages.units.other import NOT_AN_IMAGE


class NoteUnit(Unit):
    """Is not judged itself; it becomes labels of the referenced images."""

    name = "note"

    def covers(self, header: Header) -> bool:
        """Key Object Selections."""
        return header.sop_class_uid == KEY_OBJECT_SELECTION

    def judge(self, instance: StoredInstance, context: UnitContext) -> AssessorResult:  # noqa: ARG002
        """NOT_ASSESSED."""
        return not_assessed(instance, NOT_AN_IMAGE)

    def note(self, instance: StoredInstance, context: UnitContext) -> RejectionNote | None:
        """The rejection, or what takes it back; None for any other title."""
        return read_note(context.artifacts.path(instance.object_key), context.revocations)


UNIT = NoteUnit()
