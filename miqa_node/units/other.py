"""Everything that no other unit covers: images such as ultrasound and cine runs, and objects without pixels."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import Header, StoredInstance
from miqa_node.domain.policy import Disposition
from miqa_node.domain.ports import AssessorResult
from miqa_node.observe.stages import StageClock
from miqa_node.report import MadeObject, ReportSubject
from miqa_node.units.base import Unit, UnitContext, not_assessed
from miqa_node.units.image import image_outputs, judge_image, read_image, reported_image
from miqa_node.units.kinds import is_image, is_own

NOT_AN_IMAGE = "The object is not an image."


class OtherUnit(Unit["Radiograph | None"]):
    """Images are measured and judged as far as that is possible, and reported, if only to say why they were not."""

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

    def outputs(
        self, instance: StoredInstance, assessment: Assessment, disposition: Disposition, context: UnitContext
    ) -> Sequence[MadeObject]:
        """As for a projection image; nothing of an object without pixels, and of a picture that this node made."""
        if not is_image(instance.header) or is_own(instance.header):
            return ()
        return image_outputs(instance, assessment, disposition, context)

    def subject(
        self, instance: StoredInstance, assessment: Assessment, context: UnitContext, *, amends: bool = False
    ) -> ReportSubject | None:
        """As for a projection image."""
        if not is_image(instance.header) or is_own(instance.header):
            return None
        return reported_image(instance, assessment, context, amends=amends)


UNIT = OtherUnit()
