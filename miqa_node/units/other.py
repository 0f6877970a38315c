"""Everything that no other unit covers: images without a report, such as ultrasound, and objects without pixels."""

from __future__ import annotations

from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import Header, StoredInstance
from miqa_node.domain.ports import AssessorResult
from miqa_node.imaging.kinds import is_image
from miqa_node.observe.stages import StageClock
from miqa_node.units.base import Unit, UnitContext, not_assessed
from miqa_node.units.image import judge_image, read_image

NOT_AN_IMAGE = "The object is not an image."


class OtherUnit(Unit["Radiograph | None"]):
    """Stored, shown and judged as far as a model covers it, but never reported to others."""

    name = "other"
    is_last_resort = True

    def covers(self, header: Header) -> bool:  # noqa: ARG002
        """Every object."""
        return True

    def read(self, instance: StoredInstance, context: UnitContext, clock: StageClock) -> Radiograph | None:
        """The decoded image; None if the object is not an image."""
        return read_image(instance, context, clock) if is_image(instance.header) else None

    def judge(self, instance: StoredInstance, content: Radiograph | None, context: UnitContext) -> AssessorResult:
        """The result of the models; NOT_ASSESSED if the object is not an image."""
        return not_assessed(instance, NOT_AN_IMAGE) if content is None else judge_image(instance, content, context)


UNIT = OtherUnit()
