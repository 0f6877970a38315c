"""A room as it learns: its images, simulated defects on some of them, and the limits that follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import Place, RoomLook, RoomState
from miqa_node.core.domain.rule import LimitSide, Subject
from miqa_node.core.domain.site_limit import RoomLimit
from miqa_node.errors import MiqaError
from miqa_node.features.limits.defects import KEPT
from miqa_node.features.limits.learn import SeenImage, learned_limits, second_sides, seen_image
from miqa_node.features.limits.second_side import LEVELS, SEED, with_defect

ENOUGH_FOUND = 12
"""Simulated defects of a kind that the policy finds, after which no more of it are tried."""
BUDGET = 0.05
"""Share of a room's images that may be flagged, if the site says no other."""

T = TypeVar("T")
Judge = Callable[[Header, Radiograph, InstanceDigest], Assessment]


@dataclass(frozen=True, slots=True)
class OwnImage:
    """One original of the room."""

    header: Header
    radiograph: Radiograph
    digest: InstanceDigest


@dataclass(frozen=True, slots=True)
class DefectTry:
    """A simulated defect: on the image of this number, in this place among the defects on it."""

    defect: str
    number: int
    place: int

    @property
    def severity(self) -> float:
        """One severity after the other."""
        return LEVELS[(self.number + self.place) % len(LEVELS)]

    @property
    def seed(self) -> tuple[int, ...]:
        """Of chance: the same try gives the same defect."""
        return SEED, self.number, self.place


@dataclass(frozen=True, slots=True)
class LearnedRoom:
    """Limits of a room, and what they change: ``before`` and ``flagged`` count its images, ``always`` by other rules.

    ``sides`` has by defect how many were simulated, how many the policy finds of them, and how many these limits find.
    """

    look: RoomLook
    limits: tuple[RoomLimit, ...]
    before: int
    flagged: int
    always: int
    sides: Mapping[str, tuple[int, int, int]]


def kinds_of(policy: Policy) -> dict[str, frozenset[str]]:
    """By what is learned the simulated defects that it tells of: of the finding, or of what a measurement supports."""
    kinds: dict[str, set[str]] = {}
    for rule in policy.rules:
        if rule.is_learned:
            about = rule.what if rule.subject is Subject.FINDING else rule.supports
            kinds.setdefault(rule.what, set()).update({about} & KEPT.keys())
    return {name: frozenset(of) for name, of in kinds.items()}


def defect_trials(originals: Iterable[OwnImage], judge: Judge, policy: Policy) -> Iterator[SeenImage]:
    """Yield simulated defects on these images, in turn at each severity, until enough of each kind are found."""
    return trials_in_turn(originals, lambda original, tries: tries_on(original, tries, judge, policy), policy)


def trials_in_turn(
    originals: Iterable[T], tried: Callable[[T, Sequence[DefectTry]], Iterable[SeenImage]], policy: Policy
) -> Iterator[SeenImage]:
    """Yield what ``tried`` sees on these originals; each gets the kinds of which too few were found before it."""
    kinds = kinds_of(policy)
    found: Counter[str] = Counter()
    for number, original in enumerate(originals):
        wanted = [one for one in sorted(set().union(*kinds.values())) if found[one] < ENOUGH_FOUND]
        if not wanted:
            return
        for seen in tried(original, [DefectTry(defect, number, place) for place, defect in enumerate(wanted)]):
            found[seen.defect] += any(seen.defect in kinds[name] for name in seen.flags)
            yield seen


def tries_on(original: OwnImage, tries: Iterable[DefectTry], judge: Judge, policy: Policy) -> Iterator[SeenImage]:
    """Yield these simulated defects on one image; none that it cannot have, or that a package cannot judge."""
    for one in tries:
        changed = with_defect(original.radiograph, FindingName(one.defect), one.severity, one.seed)
        if changed is None:
            continue
        try:
            yield seen_image(judge(original.header, changed, original.digest), policy, one.defect)
        except MiqaError:  # of one picture that a package cannot judge
            continue


def learned_room(
    place: Place, images: Sequence[SeenImage], trials: Iterable[SeenImage], policy: Policy, budget: float = BUDGET
) -> LearnedRoom:
    """The limits of a room that has enough images, provisionally."""
    kinds = kinds_of(policy)
    sides = second_sides(trials, kinds)
    degrees = learned_limits([one for one in images if not one.always], sides, kinds, budget)
    below = {one.what for one in policy.rules if one.subject is Subject.MEASUREMENT and one.side is LimitSide.BELOW}
    limits = tuple(
        RoomLimit.at(place, FindingName(name), round(-degree if name in below else degree, 4), replaces=False)
        for name, degree in sorted(degrees.items())
    )
    counts = {one.defect: (one.simulated, len(one.degrees), one.found(degrees)) for one in sides.values()}
    shares = [found / simulated for simulated, _, found in counts.values()]
    return LearnedRoom(
        RoomLook(place, RoomState.PROVISIONAL, len(images), found=sum(shares) / len(shares) if shares else None),
        limits,
        before=sum(one.always or one.is_flagged({}) for one in images),
        flagged=sum(one.always or one.is_flagged(degrees) for one in images),
        always=sum(one.always for one in images),
        sides=counts,
    )
