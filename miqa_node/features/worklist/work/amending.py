"""Reports people's decisions that archives do not have yet."""

from __future__ import annotations

from miqa_node.features.worklist.effect.amendment import Amendments
from miqa_node.parts import PartContext, PartKind
from miqa_node.runtime.work.regular import RegularWork

LOOK_INTERVAL_S = 2.0


class AmendmentWatch(RegularWork):
    """A thread that polls every two seconds."""

    def __init__(self, amendments: Amendments) -> None:
        super().__init__("amendment-watch", LOOK_INTERVAL_S, "decisions wait to be reported")
        self._amendments = amendments

    def look(self) -> int:
        """Report waiting decisions; return their number."""
        return self._amendments.make_due()


def _watch(context: PartContext) -> AmendmentWatch:
    taking, declining, results = context.destinations.taking, context.destinations.declining, context.announcer.results
    return AmendmentWatch(Amendments(context.unit, taking, declining=declining, results=results))


PART = PartKind("amending", _watch)
