"""Limits of a site's rooms: from which strength on a soft finding, or a soft measurement, is unusual there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.room import JudgedKind, Place, RoomLook, RoomState
from miqa_node.core.language.phrase import Phrase

ENOUGH_IMAGES = 40
"""Minimum number of images for limits of their own, and for limits to end the silent days of a body part."""
FEW_DEFECTS = 8
"""Of fewer simulated defects a share says little."""


@dataclass(frozen=True, slots=True)
class RoomLimit:
    """From where on a soft rule flags images of a place (:class:`~miqa_node.core.domain.room.Place`).

    ``finding`` names a finding, of which ``least_strength`` is the minimum strength (probability times severity, 0 to
    1), or a measurement, of which it is the limit in its unit; of ``anomaly`` the least score. ``package`` is the name
    of the package whose strengths it is about; empty, as in limits of earlier versions: the quality package, whichever
    is chosen. ``replaces``: it takes the place of the policy's limit, as limits do that a person confirmed before rooms
    learned; else an image is flagged that lies beyond both, so whichever flags less decides.
    """

    finding: FindingName
    room: str
    view: str
    least_strength: float
    package: str = ""
    body_part: str = ""
    detector: str = ""
    replaces: bool = True

    @classmethod
    def at(cls, place: Place, finding: FindingName, least_strength: float, *, replaces: bool = True) -> RoomLimit:
        """A limit of that place."""
        of, where = (finding, place.room, place.view, least_strength), (place.package, place.body_part, place.detector)
        return cls(*of, *where, replaces)

    @property
    def where(self) -> Place:
        """The images for which it is meant."""
        return Place(self.package, self.body_part, self.room, self.view, self.detector)

    @property
    def place(self) -> str:
        """Body part, room and view in words."""
        return str(self.where)


@dataclass(frozen=True)
class SiteLimits:
    """The limits in force, and how far each room's look is known.

    ``number`` counts the sets of a site; it is 0, with no limits, if none is in force. ``learns_from`` is the number of
    images that a room without an entry in ``looks`` learns from; 0: such rooms go by the policy's limits.
    ``everywhere``: all images are of this one room, whatever their headers say. ``name`` stands for the number of
    limits that are no set of a site, such as those of a file.
    """

    number: int = 0
    limits: tuple[RoomLimit, ...] = ()
    confirmed_at: datetime | None = None
    actor: str = ""
    looks: tuple[RoomLook, ...] = ()
    learns_from: int = 0
    everywhere: RoomLook | None = None
    name: str = ""

    @cached_property
    def _by_finding(self) -> Mapping[str, Mapping[Place, RoomLimit]]:
        """Each rule asks for each image."""
        by_finding: dict[str, dict[Place, RoomLimit]] = {}
        for one in self.limits:
            by_finding.setdefault(one.finding, {})[one.where] = one
        return by_finding

    @cached_property
    def _by_place(self) -> Mapping[Place, RoomLook]:
        return {one.place: one for one in self.looks}

    @property
    def are_none(self) -> bool:
        """Whether all rooms go by the policy's limits."""
        return not (self.number or self.limits or self.looks or self.learns_from or self.everywhere)

    @property
    def label(self) -> str:
        """Its number, or its name; empty without either."""
        return str(self.number) if self.number else self.name

    def limit_of(self, finding: str, kind: JudgedKind) -> RoomLimit | None:
        """The most specific limit of a finding or measurement for an image; None if the policy's own limit applies."""
        mine = self._by_finding.get(finding)
        return next((mine[place] for place in kind.places() if place in mine), None) if mine else None

    def limit_in_force(self, what: str, kind: JudgedKind) -> RoomLimit | None:
        """The same; while the room of the image learns only a limit that a person confirmed before."""
        limit = self.limit_of(what, kind)
        look = None if limit is None else self.look_of(kind)
        learns = look is not None and look.learns
        return None if limit is None or (learns and not limit.replaces) else limit

    def look_of(self, kind: JudgedKind) -> RoomLook | None:
        """How far the look of an image's room is known; None if it goes by the policy's limits."""
        if self.everywhere is not None:
            return self.everywhere
        look = next((self._by_place[place] for place in kind.own_places() if place in self._by_place), None)
        if look is None and self.learns_from and kind.place != Place():
            return RoomLook(kind.place, RoomState.LEARNING, lacking=self.learns_from)
        return look

    def knows(self, place: Place) -> bool:
        """Whether a room has a look of its own, or none can be named."""
        return place in self._by_place or place == Place()

    def words(self, limit: RoomLimit) -> str:
        """The limit in words: its number, since when, and by whom."""
        at = {"limit": f"{limit.least_strength:.2f}", "place": limit.place, "number": str(self.number)}
        if self.everywhere is not None:
            return Phrase.of_number(
                "limit {limit} of this room, learned from {count} image",
                "limit {limit} of this room, learned from {count} images",
                self.everywhere.images,
                limit=at["limit"],
            )
        if self.confirmed_at is None:
            return Phrase("limit {limit} of {place}, set {number}, learned", **at)
        return Phrase(
            "limit {limit} of {place}, set {number}, {day} by {actor}",
            day=f"{self.confirmed_at:%Y-%m-%d}",
            actor=self.actor,
            **at,
        )


@dataclass(frozen=True, slots=True)
class NearImage:
    """An image near a limit, for a person to look at before confirming the limit."""

    digest: InstanceDigest
    sop_instance_uid: str
    strength: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class ProposedLimit:
    """A limit with its effect on the images from which it was made, those nearest to it first.

    ``found``: how many of ``simulated`` defects of its kind are found, ``found_today`` how many by the limits in force
    at the time; all None if nothing was simulated.
    """

    limit: RoomLimit
    images: int
    present: int
    flagged: int
    nearest: tuple[NearImage, ...]
    simulated: int | None = None
    found: int | None = None
    found_today: int | None = None

    @property
    def finds_less(self) -> bool:
        """Whether more is found today."""
        return self.found is not None and self.found_today is not None and self.found < self.found_today


@dataclass(frozen=True, slots=True)
class LimitProposal:
    """Limits of places, from images that nobody labelled.

    ``budget`` is the share of images that may be flagged, or that a person's limits flag. ``always`` counts images
    flagged by other rules, ``before`` those flagged by the policy's limits, ``flagged`` those flagged with these
    limits; ``days`` counts days with images, 0 if unknown, and ``parts`` the images of each body part. ``looks``
    are the rooms that learned them.
    """

    budget: float
    images: int
    always: int
    before: int
    flagged: int
    limits: tuple[ProposedLimit, ...]
    days: int = 0
    parts: Mapping[str, int] = field(default_factory=dict)
    looks: tuple[RoomLook, ...] = ()

    @property
    def known_parts(self) -> tuple[str, ...]:
        """The body parts with enough images for limits to be about them."""
        return tuple(sorted(part for part, images in self.parts.items() if images >= ENOUGH_IMAGES))

    @property
    def is_simulated(self) -> bool:
        """Whether it is known what the limits find of simulated defects."""
        return any(one.simulated for one in self.limits)

    @property
    def less_found(self) -> tuple[FindingName, ...]:
        """The findings of which today's limits find more simulated defects."""
        return tuple(dict.fromkeys(one.limit.finding for one in self.limits if one.finds_less))

    def per_day(self, images: int) -> float | None:
        """Images per day with images; None if the days are unknown."""
        return images / self.days if self.days else None


@dataclass(frozen=True, slots=True)
class LimitSet:
    """One stored proposal; in force from ``confirmed_at`` until a later set is confirmed.

    Without a proposal it is a withdrawal: the policy's own limits apply again. ``in_force_at``: rooms learned it, and
    the node put it in force by itself.
    """

    number: int
    proposed_at: datetime
    proposal: LimitProposal | None
    confirmed_at: datetime | None = None
    actor: str = ""
    comment: str = ""
    in_force_at: datetime | None = None
