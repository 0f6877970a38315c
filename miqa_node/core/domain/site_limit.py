"""Limits that a site confirmed for its rooms: the strength from which a soft finding is unusual there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.language.phrase import Phrase, joined


@dataclass(frozen=True, slots=True)
class RoomLimit:
    """The minimum strength (probability times severity, 0 to 1) from which a soft finding flags in one room and view.

    ``room`` is the Station Name (0008,1010), ``view`` the View Position (0018,5101); empty means all without a more
    specific limit.
    """

    finding: FindingName
    room: str
    view: str
    least_strength: float

    def covers(self, header: Header) -> bool:
        """Whether it applies to images of this kind."""
        return self.room in ("", header.station_name) and self.view in ("", header.view_position)

    @property
    def place(self) -> str:
        """Room and view in words.

        >>> [RoomLimit(FindingName("noise"), *of, 0.5).place for of in (("ROOM1", "AP"), ("", ""))]
        ['ROOM1, AP', 'all other rooms']
        """
        return joined(", ", [self.room or Phrase("all other rooms"), *filter(None, [self.view])])


@dataclass(frozen=True, slots=True)
class SiteLimits:
    """The limits in force. ``number`` counts the sets of a site; it is 0, with no limits, if none was confirmed."""

    number: int = 0
    limits: tuple[RoomLimit, ...] = ()
    confirmed_at: datetime | None = None
    actor: str = ""

    def limit_of(self, finding: FindingName, header: Header) -> RoomLimit | None:
        """The most specific limit of a finding for an image; None if the policy's own limits apply."""
        covering = [one for one in self.limits if one.finding == finding and one.covers(header)]
        return max(covering, key=lambda one: (bool(one.room), bool(one.view)), default=None)

    def words(self, limit: RoomLimit) -> str:
        """The limit in words: its number, since when, and by whom."""
        since = f"{self.confirmed_at:%Y-%m-%d}" if self.confirmed_at else "?"
        return Phrase(
            "limit {limit} of {place}, set {number}, {day} by {actor}",
            limit=f"{limit.least_strength:.2f}",
            place=limit.place,
            number=str(self.number),
            day=since,
            actor=self.actor,
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
    """A limit with its effect on the images from which it was made, those nearest to it first."""

    limit: RoomLimit
    images: int
    present: int
    flagged: int
    nearest: tuple[NearImage, ...]


@dataclass(frozen=True, slots=True)
class LimitProposal:
    """Limits for an alarm budget, from images that nobody labelled.

    ``budget`` and ``tail`` are shares: of images that may be flagged, and of each group's images that a finding may
    flag. ``always`` counts images flagged by other rules, ``before`` those flagged by the rules without limits of
    rooms, ``flagged`` those flagged with the proposed limits; ``days`` counts days with images, 0 if unknown.
    """

    budget: float
    images: int
    always: int
    before: int
    flagged: int
    tail: float
    groups: Mapping[str, int]
    limits: tuple[ProposedLimit, ...]
    days: int = 0

    def per_day(self, images: int) -> float | None:
        """Images per day with images; None if the days are unknown."""
        return images / self.days if self.days else None


@dataclass(frozen=True, slots=True)
class LimitSet:
    """One stored proposal; in force from ``confirmed_at`` until a later set is confirmed.

    Without a proposal it is a withdrawal: the policy's own limits apply again.
    """

    number: int
    proposed_at: datetime
    proposal: LimitProposal | None
    confirmed_at: datetime | None = None
    actor: str = ""
    comment: str = ""
