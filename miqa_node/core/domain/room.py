"""A room and its look: what images of one station, detector, part and view usually show, and how far that is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from itertools import product

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.language.phrase import Phrase, joined

LEAST_FOUND = 0.5
"""Share of simulated defects; of a room that finds less nothing is ACCEPT, as of packages (``found`` of evidence)."""


class RoomState(StrEnum):
    """How far it is known what is usual in a place: *expired* limits stay in force until new ones exist."""

    LEARNING = "learning"
    LEARNED = "learned"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"

    @classmethod
    def _missing_(cls, value: object) -> RoomState | None:
        """The word of earlier versions, in sets of limits and files that they wrote."""
        return cls.LEARNED if value == "provisional" else None


@dataclass(frozen=True, slots=True)
class Place:
    """Images of one package, body part, room and view: what limits go by; empty means all without a more specific one.

    ``room`` is the Station Name (0008,1010), ``detector`` the Detector ID (0018,700A), ``view`` the View Position
    (0018,5101), ``body_part`` the Body Part Examined (0018,0015).
    """

    package: str = ""
    body_part: str = ""
    room: str = ""
    view: str = ""
    detector: str = ""

    def __str__(self) -> str:
        """In words.

        >>> str(Place("quality", "KNEE", "ROOM1", "AP")), str(Place())
        ('KNEE, ROOM1, AP', 'all other rooms')
        """
        room = joined(" ", [self.room or Phrase("all other rooms"), *filter(None, [self.detector])])
        return joined(", ", [*filter(None, [self.body_part]), room, *filter(None, [self.view])])


@dataclass(frozen=True, slots=True)
class JudgedKind:
    """What limits go by: ``place`` is the image's own room, with the package that judged it; the most specific one.

    ``is_left``: the quality package left the image to another package, whose strengths are other ones.
    """

    place: Place
    is_left: bool = False

    def own_places(self) -> tuple[Place, ...]:
        """What may name its room, which does not keep words for parts and views that the standard does not know."""
        keys = product((self.place.body_part, ""), (self.place.view, ""))
        return tuple(replace(self.place, body_part=part, view=view) for part, view in keys)

    def places(self) -> tuple[Place, ...]:
        """What may name a limit of these images, the most specific first."""
        return _places(self)


@lru_cache(maxsize=1024)  # a site has few rooms, and each rule asks
def _places(kind: JudgedKind) -> tuple[Place, ...]:
    own = kind.place
    packages = (own.package,) if kind.is_left else (own.package, "")
    rooms = dict.fromkeys(((own.room, own.detector), (own.room, ""), ("", "")))
    keys = product((own.body_part, ""), rooms, (own.view, ""), packages)
    return tuple(Place(package, part, room, view, detector) for part, (room, detector), view, package in keys)


def kind_of(assessment: Assessment) -> JudgedKind:
    """What limits of a judged image go by."""
    header, package = assessment.header, assessment.model.name if assessment.model is not None else ""
    place = Place(package, header.body_part_examined, header.station_name, header.view_position, header.detector_id)
    return JudgedKind(place, is_left=bool(assessment.experimental) or assessment.has_figures)


def shows_room(assessment: Assessment) -> bool:
    """Whether an image tells how its room looks: of a patient, and judged or measured."""
    if assessment.header.quality_control or assessment.phantom or assessment.is_of_another_kind:
        return False
    return bool(assessment.findings or assessment.measurements)


@dataclass(frozen=True, slots=True)
class RoomLook:
    """How far the look of one room is known.

    ``images`` is the number of images that it learned from, ``lacking`` how many it still needs while it learns; 0 if
    its limits only wait for a person.
    ``found`` is the share of images with a simulated defect that are flagged with its limits, the mean over the
    findings; below :data:`LEAST_FOUND` nothing in the room is ACCEPT; None if nobody tried. ``since`` is when it came
    into this state.
    """

    place: Place
    state: RoomState
    images: int = 0
    lacking: int = 0
    found: float | None = None
    since: datetime | None = None

    @property
    def learns(self) -> bool:
        """Whether soft findings are only held against the room."""
        return self.state is RoomState.LEARNING

    @property
    def is_blind(self) -> bool:
        """Whether too little is found for ACCEPT."""
        return self.found is not None and self.found < LEAST_FOUND

    @property
    def held(self) -> Phrase:
        """Why a soft finding of an image is only a hint while the room learns."""
        if not self.lacking:
            return Phrase("held until somebody confirms the limits of this room")
        return Phrase.of_number(
            "held while this room learns: counts after {count} more image",
            "held while this room learns: counts after {count} more images",
            self.lacking,
        )
