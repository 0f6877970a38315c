"""The seam ``past_rooms``: what lets rooms learn from a pilot's images, which the feature of rooms' limits is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, runtime_checkable

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.policy import Policy
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.plugins import Seam
from miqa_node.runtime.store.database import Database, Transaction


@runtime_checkable
class PastRoomsKind(Protocol):
    """A plug-in of the seam."""

    def check(self, transaction: Transaction, settings: PolicySettings) -> None:
        """An error if rooms of this node do not learn."""

    def learned(
        self, database: Database, policy: Policy, settings: PolicySettings, images: Iterable[Assessment], now: datetime
    ) -> dict[str, bool]:
        """What rooms learn from images, ``assessed_at`` when they were made: by digest if its limits flag it."""


PAST_ROOMS: Seam[PastRoomsKind] = Seam("past_rooms", PastRoomsKind)  # type: ignore[type-abstract]


def past_rooms() -> PastRoomsKind:
    """The one that is installed; NotFoundError if there is none."""
    return PAST_ROOMS.get("limits")
