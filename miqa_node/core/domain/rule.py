"""A rule of the site's policy: where it holds, what it is about, beyond which limit, what then, by which evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from miqa_node.core.domain.acceptance import Acceptance, TriedLimits
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import UNKNOWN_FAILURE, Code
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.kept_figure import KeptFigure
from miqa_node.core.domain.object_place import ChestRegion

SITE, CARD = "site", "card"
"""Evidence that needs no record: the site's word, and what the card of the package that judged says of itself."""
ALL = "all"
"""As finding of a rule for ACCEPT: whatever the model judges."""
ANOMALY = "anomaly"
"""As measurement: how unusual the image is, in percent of the baseline's images."""
SLICE_COUNT = "slice_count"
"""The measurement that shares of slices are shares of."""
ADULT_YEARS = 18
"""An image of unknown age counts as an adult's."""


LEAST_STRENGTH = 0.02
"""In no room a finding of less strength flags: that is nothing."""
CONDITIONS = ("modality", "body_part", "view", "kind", "room", "age")
"""Of a place or a rule: the names of what it asks for in images."""


class LimitSide(StrEnum):
    """How a rule compares a measurement with its limit; a count of slices also as a share of those of the series."""

    ABOVE = "above"
    BELOW = "below"
    SHARE = "share_of_slices"

    @property
    def direction(self) -> LimitSide:
        """Above or below: beyond a share is above it."""
        return LimitSide.ABOVE if self is LimitSide.SHARE else self

    def is_beyond(self, value: float, limit: float) -> bool:
        """Whether the value lies on this side of the limit."""
        return value < limit if self is LimitSide.BELOW else value > limit


class Subject(StrEnum):
    """What a rule is about, in the order of reasons."""

    FINDING = "finding"
    MEASUREMENT = "measurement"
    CONTRADICTION = "contradiction"


class Then(StrEnum):
    """What a rule asks for beyond its limit: a verdict, or that the image is not ACCEPT, or that it is only listed."""

    REVIEW = "REVIEW"
    REJECT = "REJECT"
    ACCEPT = "ACCEPT"
    NOT_ASSESSED = "NOT_ASSESSED"
    HINT = "HINT"


@dataclass(frozen=True, slots=True)
class Where:
    """Which images: what is empty or None covers all. ``name`` is that of the place in the policy, if it has one.

    ``room`` is the Station Name, ``kind`` that of the slices of a series, ``age`` from and below how many years.
    ``apart_from``: images that these cover are none of its own. ``own``: the conditions that a rule adds to its place.
    """

    name: str = ""
    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    view: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    room: tuple[str, ...] = ()
    age: tuple[int, int] | None = None
    apart_from: tuple[Where, ...] = ()
    own: tuple[str, ...] = field(default=(), compare=False)

    def covers(self, header: Header, kind: str) -> bool:
        """Whether an image, or a series of slices of this kind, is one of these."""
        years = ADULT_YEARS if header.age_years is None else header.age_years
        return (
            (not self.modality or header.modality in self.modality)
            and (not self.kind or kind in self.kind)
            and (not self.body_part or header.body_part_examined in self.body_part)
            and (not self.view or header.view_position in self.view)
            and (not self.room or header.station_name in self.room)
            and (self.age is None or self.age[0] <= years < self.age[1])
            and not any(one.covers(header, kind) for one in self.apart_from)
        )

    def matched(self, header: Header, kind: str) -> tuple[str, ...]:
        """What an image has of the conditions that a rule adds to its place."""
        part, view, room = header.body_part_examined, header.view_position, header.station_name
        years = "" if header.age_years is None else str(header.age_years)
        values = zip(CONDITIONS, (header.modality, part, view, kind, room, years), strict=True)
        return tuple(value for key, value in values if key in self.own)

    @property
    def conditions(self) -> int:
        """How many it names: more are more specific."""
        return sum(map(bool, self._lists)) + (self.age is not None)

    def is_within(self, other: Where) -> bool:
        """Whether the other one covers all images of this one."""
        lists = all(
            not theirs or (mine and {*mine} <= {*theirs})
            for mine, theirs in zip(self._lists, other._lists, strict=True)
        )
        age = other.age is None or (
            self.age is not None and other.age[0] <= self.age[0] and self.age[1] <= other.age[1]
        )
        return bool(lists) and age and all(one in self.apart_from or not self.meets(one) for one in other.apart_from)

    def meets(self, other: Where) -> bool:
        """Whether an image can be one of both."""
        pairs = zip(self._lists, other._lists, strict=True)
        if any(mine and theirs and {*mine}.isdisjoint(theirs) for mine, theirs in pairs):
            return False
        if self.age and other.age and not max(self.age[0], other.age[0]) < min(self.age[1], other.age[1]):
            return False
        return not any(other.is_within(one) for one in self.apart_from) and not any(
            self.is_within(one) for one in other.apart_from
        )

    def is_narrower(self, other: Where) -> bool:
        """Whether it is the more specific of the two: it names more, or as much and covers a part of the other's."""
        if self.conditions != other.conditions:
            return self.conditions > other.conditions
        return self.is_within(other) and not other.is_within(self)

    @property
    def _lists(self) -> tuple[tuple[str, ...], ...]:
        return self.modality, self.body_part, self.view, self.kind, self.room


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which degrees the limit of a place may lie; higher is worse.

    ``is_soft``: the limit stands in place of the policy's. Otherwise only what lies beyond both flags.
    """

    floor: float
    severe: float
    is_soft: bool

    @property
    def is_unlimited(self) -> bool:
        """Whether only a place limits the value: the policy has no limit, and no degree is severe."""
        return self.is_soft and self.severe == math.inf


@dataclass(frozen=True)
class Rule:
    """One rule. ``what`` is a name of its ``subject``; of a rule for ACCEPT, :data:`ALL` findings or no name.

    Of a finding both ``min_probability`` and ``min_severity`` must be reached. ``soft``: slight degrees are ordinary,
    so a site's confirmed limit for a room replaces these; ``is_learned``: what is usual is a room's own, so it is held
    while the room learns, unless it reaches ``severe`` (a strength, or the value of a measurement). With a severe
    degree the room's limit stands in place of the policy's, between ``floor`` and that degree; without one an image is
    flagged that lies beyond both. ``learned_with``: only of images that show this finding, too; ``over``: an object
    must lie there, if that is known; ``any_part``: it needs no anatomy, so the rule holds whatever the pixels show. Of
    a measurement, ``limit`` is the number on the ``side`` of which it lies, and None stands for the usual range of its
    machine that a person confirmed; of :data:`ANOMALY`, the least percentile. ``supports`` is the finding that a
    measurement supports; empty if its reason is only a code. ``figures``, ``tried`` and ``acceptance`` are what
    ``evidence`` names. ``is_default``: of the taxonomy, so that a rule of the policy for the same images takes its
    place. ``line`` is where it stands, in words, and ``number`` counts the rules of a policy, from 1.
    """

    subject: Subject
    what: str
    then: Then
    where: Where
    evidence: tuple[str, ...] = (SITE,)
    min_probability: float = 0.0
    min_severity: float = 0.0
    soft: bool = False
    is_learned: bool = False
    severe: float | None = None
    floor: float | None = None
    learned_with: str = ""
    over: tuple[ChestRegion, ...] = ()
    any_part: bool = False
    side: LimitSide = LimitSide.ABOVE
    limit: float | None = 0.0
    code: Code = UNKNOWN_FAILURE
    supports: str = ""
    figures: tuple[KeptFigure, ...] = ()
    tried: tuple[TriedLimits, ...] = ()
    acceptance: Acceptance | None = None
    is_default: bool = False
    line: str = field(default="", compare=False)
    number: int = field(default=0, compare=False)

    @property
    def is_usual(self) -> bool:
        """Whether its limit is the usual range of the machine."""
        return self.limit is None

    @property
    def flags_alone(self) -> bool:
        """Whether its evidence is about this finding alone, so that it flags images that are not judged as a whole."""
        return any(one.auroc is not None for one in self.figures)

    def is_severe(self, strength: float) -> bool:
        """Whether a degree counts although the room still learns."""
        return self.degree(strength) >= self.bounds.severe

    @property
    def bounds(self) -> Bounds:
        """Between which degrees a room's limit may lie."""
        least = LEAST_STRENGTH if self.subject is Subject.FINDING else -math.inf
        floor = least if self.floor is None else self.degree(self.floor)
        is_soft = self.severe is not None or self.is_usual
        return Bounds(floor, math.inf if self.severe is None else self.degree(self.severe), is_soft)

    def may_learn(self, assessment: Assessment) -> bool:
        """Whether the room of an image learns what is usual of this."""
        if not self.is_learned or not self.learned_with:
            return self.is_learned
        other = assessment.finding(FindingName(self.learned_with))
        return other is not None and other.present

    def degree(self, value: float) -> float:
        """A value so that higher is worse: negative where a measurement flags below its limit."""
        is_measured_below = self.subject is Subject.MEASUREMENT and self.side is LimitSide.BELOW
        return -value if is_measured_below else value

    @cached_property
    def about(self) -> tuple[str, ...]:
        """What it competes for with other rules: of these the most specific applies."""
        side = self.side.direction.value if self.subject is Subject.MEASUREMENT else ""
        return self.subject.value, self.what, side, "usual" if self.is_usual else "", self.then.value

    def is_narrower(self, other: Rule) -> bool:
        """Whether it is the more specific of two; a default rule gives way where both cover the same."""
        if self.where.is_narrower(other.where):
            return True
        return other.is_default and not self.is_default and not other.where.is_narrower(self.where)


class Outcome(StrEnum):
    """What a rule came to: beyond its limit it flags, or is a hint where its evidence does not suffice.

    *Held*: it would flag, but the room of the image still learns what is usual there.
    """

    FLAGS = "flags"
    HINT = "hint"
    HELD = "held"
    WITHIN = "within"
    ACCEPTS = "accepts"


@dataclass(frozen=True, slots=True)
class AppliedRule:
    """A rule that applied to an image: the row that pages, commands and texts of reasons are made from.

    ``values`` are probability and severity of a finding (or its strength, where ``limits`` is the least one of a room),
    or a measurement, with the number of slices that it is a share of; ``limits`` the numbers that they are compared
    with, lowest and highest of a usual range. ``side`` is "above", "below", "share_of_slices", "usual above", "usual
    below", "room", "percentile", or empty. ``why`` says why it is only a hint, by which set the limit of the room
    holds, or what was enough for ACCEPT. ``matched`` is what the image has of the conditions that the rule adds to its
    place; ``number`` is that of the rule, 0 if a package asks by itself.
    """

    subject: Subject
    what: str
    then: Then
    place: str
    outcome: Outcome
    values: tuple[float, ...] = ()
    limits: tuple[float, ...] = ()
    side: str = ""
    evidence: tuple[str, ...] = ()
    why: str = ""
    matched: tuple[str, ...] = ()
    number: int = 0


def compared_number(values: tuple[float, ...]) -> float:
    """What the limit of a measurement is compared with: its value, or the share that it is of the slices."""
    return values[0] if len(values) == 1 else values[0] / values[1]
