"""Watches for decisions of people that archives have not learned yet."""

from __future__ import annotations

from miqa_node.conclusion.amendment import Amendments
from miqa_node.work.regular import RegularWork

LOOK_INTERVAL_S = 1.0


class AmendmentWatch(RegularWork):
    """Polls once a second."""

    def __init__(self, amendments: Amendments) -> None:
        super().__init__("amendment-watch", LOOK_INTERVAL_S, "decisions wait to be reported")
        self._amendments = amendments

    def look(self) -> int:
        """Report what waits; how many decisions."""
        return self._amendments.make_due()
