"""Limits that a site confirmed for its rooms: the strength from which a soft finding is unusual there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.language.phrase import Phrase, joined

ENOUGH_IMAGES = 40
"""Minimum number of images for limits of their own, and for limits to end the silent days of a body part."""
FEW_DEFECTS = 8
"""Of fewer simulated defects a share says little."""

Place = tuple[str, str, str, str]
"""(package, body part, room, view); empty means all without a more specific limit."""


@dataclass(frozen=True, slots=True)
class JudgedKind:
    """What limits go by: the package that judged an image, its body part, its room and its view.

    ``is_left``: the quality package left the image to another package, whose strengths are other ones.
    """

    package: str
    body_part: str
    room: str
    view: str
    is_left: bool = False

    def places(self) -> Iterator[Place]:
        """What may name a limit of these images, the most specific first."""
        packages = (self.package,) if self.is_left else (self.package, "")
        for part, room, view, package in product((self.body_part, ""), (self.room, ""), (self.view, ""), packages):
            yield package, part, room, view


def kind_of(assessment: Assessment) -> JudgedKind:
    """What limits of a judged image go by."""
    header, model = assessment.header, assessment.model
    return JudgedKind(
        model.name if model is not None else "",
        header.body_part_examined,
        header.station_name,
        header.view_position,
        is_left=bool(assessment.experimental) or assessment.has_figures,
    )


@dataclass(frozen=True, slots=True)
class RoomLimit:
    """The minimum strength (probability times severity, 0 to 1) from which a soft finding flags in one room and view.

    ``room`` is the Station Name (0008,1010), ``view`` the View Position (0018,5101), ``body_part`` the Body Part
    Examined (0018,0015); empty means all without a more specific limit. ``package`` is the name of the package whose
    strengths it is about; empty, as in limits of earlier versions: the quality package, whichever is chosen.
    """

    finding: FindingName
    room: str
    view: str
    least_strength: float
    package: str = ""
    body_part: str = ""

    @property
    def where(self) -> Place:
        """The images for which it is meant."""
        return self.package, self.body_part, self.room, self.view

    def covers(self, kind: JudgedKind) -> bool:
        """Whether it applies to images of this kind."""
        return self.where in kind.places()

    @property
    def place(self) -> str:
        """Body part, room and view in words.

        >>> [RoomLimit(FindingName("noise"), *of, 0.5).place for of in (("ROOM1", "AP"), ("", ""))]
        ['ROOM1, AP', 'all other rooms']
        >>> RoomLimit(FindingName("noise"), "ROOM1", "AP", 0.5, "any-radiograph", "KNEE").place
        'KNEE, ROOM1, AP'
        """
        return joined(
            ", ", [*filter(None, [self.body_part]), self.room or Phrase("all other rooms"), *filter(None, [self.view])]
        )


@dataclass(frozen=True, slots=True)
class SiteLimits:
    """The limits in force. ``number`` counts the sets of a site; it is 0, with no limits, if none was confirmed."""

    number: int = 0
    limits: tuple[RoomLimit, ...] = ()
    confirmed_at: datetime | None = None
    actor: str = ""

    def limit_of(self, finding: FindingName, kind: JudgedKind) -> RoomLimit | None:
        """The most specific limit of a finding for an image; None if the policy's own limits apply."""
        mine = {one.where: one for one in self.limits if one.finding == finding}
        return next((mine[place] for place in kind.places() if place in mine), None) if mine else None

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
    """A limit with its effect on the images from which it was made, those nearest to it first.

    ``found``: how many of ``simulated`` images of its kind, with a simulated defect, its finding flags, ``found_today``
    how many with the limits in force at the time; all None if nobody tried.
    """

    limit: RoomLimit
    images: int
    present: int
    flagged: int
    nearest: tuple[NearImage, ...]
    simulated: int | None = None
    found: int | None = None
    found_today: int | None = None


@dataclass(frozen=True, slots=True)
class OtherRule:
    """A rule that no limit of a room changes: the images that it flags, and those that nothing else of its kind does.

    ``name`` is that of its reasons: a measurement, a contradiction, a hard finding or ``anomaly``.
    """

    name: str
    images: int
    alone: int


@dataclass(frozen=True, slots=True)
class FindingSide:
    """What limits find of the simulated defects of a finding, and what those in force found; None if nobody tried."""

    found: int
    simulated: int
    found_today: int | None = None

    @property
    def is_blind(self) -> bool:
        """Whether there were defects, and none was found."""
        return self.simulated > 0 and self.found == 0

    @property
    def is_less(self) -> bool:
        """Whether more is found today."""
        return self.found_today is not None and self.found < self.found_today


@dataclass(frozen=True, slots=True)
class LimitProposal:
    """Limits for an alarm budget, from images that nobody labelled.

    ``budget`` and ``tail`` are shares: of images that may be flagged, and of each group's images that a finding may
    flag. ``always`` counts images flagged by other rules, ``before`` those flagged by the rules without limits of
    rooms, ``flagged`` those flagged with the proposed limits; ``days`` counts days with images, 0 if unknown, and
    ``parts`` the images of each body part. ``others`` are the rules that flag in any case, those of most images first.
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
    parts: Mapping[str, int] = field(default_factory=dict)
    others: tuple[OtherRule, ...] = ()

    @property
    def known_parts(self) -> tuple[str, ...]:
        """The body parts with enough images for limits to be about them."""
        return tuple(sorted(part for part, images in self.parts.items() if images >= ENOUGH_IMAGES))

    @property
    def second_side(self) -> Mapping[tuple[str, FindingName], FindingSide]:
        """By package and finding; empty if nobody tried."""
        tried: dict[tuple[str, FindingName], list[ProposedLimit]] = {}
        for one in self.limits:
            if one.simulated is not None:
                tried.setdefault((one.limit.package, one.limit.finding), []).append(one)
        return {of: _side(limits) for of, limits in tried.items()}

    @property
    def less_found(self) -> tuple[FindingName, ...]:
        """The findings of which today's limits find more simulated defects."""
        return tuple(name for (_, name), side in self.second_side.items() if side.is_less)

    def per_day(self, images: int) -> float | None:
        """Images per day with images; None if the days are unknown."""
        return images / self.days if self.days else None


def _side(limits: Sequence[ProposedLimit]) -> FindingSide:
    today = [one.found_today for one in limits if one.found_today is not None]
    return FindingSide(
        sum(one.found or 0 for one in limits),
        sum(one.simulated or 0 for one in limits),
        sum(today) if len(today) == len(limits) else None,
    )


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
