"""An object without Study or Series Instance UID: it has no place in the archive until a person assigns UIDs."""

from __future__ import annotations

from miqa_node.core.domain.instance import Header, StoredInstance
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.units.base import Unit, UnitContext, not_assessed


class UnplacedUnit(Unit):
    """Is quarantined and never reported: a result could only refer to a UID invented by the node."""

    name = "unplaced"
    is_guard = True

    def covers(self, header: Header) -> bool:
        """Whether a UID is missing (:mod:`miqa_node.core.domain.identity`)."""
        return bool(header.missing_uids)

    def judge(self, instance: StoredInstance, context: UnitContext) -> AssessorResult:  # noqa: ARG002
        """NOT_ASSESSED, with the names of the missing UIDs."""
        missing = " and no ".join(instance.header.missing_uids)
        reason = Phrase(
            "The object has no {missing}. Give it what is missing: miqa-node worklist correct.", missing=missing
        )
        return not_assessed(instance, reason, quarantined=True)


UNIT = UnplacedUnit()
