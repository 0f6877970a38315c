"""The seam ``past_rooms``: what lets rooms learn from a pilot's images, which the feature of rooms' limits is.

A pilot keeps what was tried on an image, and what came of it, in the row of the image, with which it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.plugins import Seam
from miqa_node.runtime.store.database import Database, Transaction

Trials = list[dict[str, Any]]
PastImage = tuple[Assessment, Trials]
"""An image, ``assessed_at`` when it was made, and what was tried on it."""


class RoomLessons(Protocol):
    """Rooms that learn from the images of one run."""

    def tried(
        self,
        assessment: Assessment,
        radiograph: Radiograph,
        judge: Callable[[Header, Radiograph, InstanceDigest], Assessment],
    ) -> Trials:
        """Simulate defects on an original before it goes."""

    def remember(self, images: Iterable[PastImage]) -> None:
        """An earlier run tried this."""

    def learned(self, database: Database, images: Iterable[PastImage], now: datetime) -> dict[str, dict[str, int]]:
        """What rooms learn from all images, and what comes of each, by digest."""


@runtime_checkable
class PastRoomsKind(Protocol):
    """A plug-in of the seam."""

    def check(self, transaction: Transaction, settings: PolicySettings) -> None:
        """An error if rooms of this node do not learn."""

    def open(self, policy: Policy, settings: PolicySettings) -> RoomLessons:
        """For one run."""


PAST_ROOMS: Seam[PastRoomsKind] = Seam("past_rooms", PastRoomsKind)  # type: ignore[type-abstract]


def past_rooms() -> PastRoomsKind:
    """The one that is installed; NotFoundError if there is none."""
    return PAST_ROOMS.get("limits")
