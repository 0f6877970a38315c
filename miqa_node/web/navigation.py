"""What stands in the bar at the top of every page; each entry is shown to those who may open it."""

from __future__ import annotations

from dataclasses import dataclass

from miqa_node.domain.access import Permission


@dataclass(frozen=True, slots=True)
class Entry:
    """One page of the bar. A page says ``{% set section = "Worklist" %}`` to have its entry marked."""

    name: str
    address: str
    permission: Permission


NAVIGATION = (
    Entry("Worklist", "/", Permission.READ),
    Entry("Rooms", "/rooms", Permission.DISPLAY),
    Entry("Look", "/look", Permission.UPLOAD),
    Entry("Analysis", "/analysis", Permission.READ),
    Entry("People", "/people", Permission.ADMIN),
)
