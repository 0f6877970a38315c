"""What a budget of alarms counts of a judged image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.room import JudgedKind


@dataclass(frozen=True, slots=True)
class BudgetImage:
    """One judged image: its package, body part, room and view, and the strengths of soft findings that are present.

    ``judged``: the soft findings that its model knows. ``always``: other rules flag the image, those named
    ``always_by``; ``before``: the policy flags it with its own limits, ``by_policy`` by these soft findings.
    ``is_left``: see :class:`JudgedKind`.
    """

    digest: InstanceDigest
    sop_instance_uid: str
    room: str
    view: str
    judged: frozenset[FindingName]
    strengths: Mapping[FindingName, float]
    always: bool
    before: bool
    day: date | None = None
    package: str = "quality"
    body_part: str = ""
    is_left: bool = False
    by_policy: frozenset[FindingName] = frozenset()
    always_by: frozenset[str] = frozenset()
    detector: str = ""

    @property
    def kind(self) -> JudgedKind:
        """What limits go by."""
        return JudgedKind(self.package, self.body_part, self.room, self.view, self.is_left, self.detector)
