"""A room as it learns: its images, simulated defects on some of them, and the limits that follow."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Protocol, TypeVar

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import Place, RoomLook, RoomState
from miqa_node.core.domain.rule import ANOMALY, LimitSide, Subject
from miqa_node.core.domain.site_limit import RoomLimit
from miqa_node.errors import MiqaError
from miqa_node.features.limits.defect_image import LEVELS, SEED, with_defect
from miqa_node.features.limits.defects import KEPT
from miqa_node.features.limits.learn import SeenImage, learned_limits, second_sides, seen_image

ENOUGH_FOUND = 30
"""Simulated defects of a kind that the policy finds, after which no more of it are tried."""

Judge = Callable[[Header, Radiograph, InstanceDigest], Assessment]


class Original(Protocol):
    """An image on which defects are simulated."""

    @property
    def seen(self) -> SeenImage | None:
        """What the policy sees of it as it came."""


T = TypeVar("T", bound=Original)


@dataclass(frozen=True, slots=True)
class OwnImage:
    """One original of the room, and what the policy sees of it."""

    header: Header
    radiograph: Radiograph
    digest: InstanceDigest
    seen: SeenImage | None = None


@dataclass(frozen=True, slots=True)
class DefectTry:
    """A simulated defect of a severity: on the image of this number, in this place among the defects on it."""

    defect: str
    severity: float
    number: int
    place: int

    @property
    def seed(self) -> tuple[int, ...]:
        """Of chance: the same try gives the same defect."""
        return SEED, self.number, self.place


@dataclass(frozen=True, slots=True)
class LearnedRoom:
    """Limits of a room, and what they change: ``before`` and ``flagged`` count its images, ``always`` by other rules.

    ``degrees`` has them as degrees of images, ``sides`` by defect how many were simulated, how many of these the policy
    finds, and how many these limits find, on images that are silent without them.
    """

    look: RoomLook
    limits: tuple[RoomLimit, ...]
    before: int
    flagged: int
    always: int
    sides: Mapping[str, tuple[int, int, int]]
    degrees: Mapping[str, float]


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
    return trials_in_turn(originals, lambda original, tries: tries_on(original, tries, judge, policy), kinds_of(policy))


def trials_in_turn(
    originals: Iterable[T],
    tried: Callable[[T, Sequence[DefectTry]], Iterable[SeenImage]],
    kinds: Mapping[str, Collection[str]],
) -> Iterator[SeenImage]:
    """Yield what ``tried`` sees on these originals; each gets the kinds of which too few were found before it.

    ``kinds`` names the simulated defects that each rule tells of.
    """
    turns = DefectTurns(kinds)
    for original in originals:
        tries = turns.following()
        if not tries:
            return
        for trial in tried(original, tries):
            turns.count(trial)
            yield replace(trial, unaltered=original.seen)


class DefectTurns:
    """Which simulated defects the next original gets: those of which too few were found on the ones before."""

    def __init__(self, kinds: Mapping[str, Collection[str]]) -> None:
        self._kinds, self._number = kinds, -1
        self._flags, self._made = Counter[str](), Counter[str]()

    def following(self) -> list[DefectTry]:
        """Those of the next original; none once enough of each kind are found."""
        self._number += 1
        number, made = self._number, self._made
        defects = [one for one in sorted(set().union(*self._kinds.values())) if self._flags[one] < ENOUGH_FOUND]
        return [
            DefectTry(defect, level, number, place)
            for place, defect in enumerate(defects)
            # What cannot be seen in many images is tried at each severity in the others.
            for level in (LEVELS if made[defect] < number else (LEVELS[(number + place) % len(LEVELS)],))
        ]

    def count(self, trial: SeenImage) -> None:
        """One of them was seen."""
        self._made[trial.defect] += 1
        self._flags[trial.defect] += any(trial.defect in self._kinds.get(name, ()) for name in trial.flags)


def tries_on(original: OwnImage, tries: Iterable[DefectTry], judge: Judge, policy: Policy) -> Iterator[SeenImage]:
    """Yield these simulated defects on one image, as the policy sees them."""
    for one, assessment in judged_tries(original, tries, judge):
        yield seen_image(assessment, policy, one.defect)


def judged_tries(
    original: OwnImage, tries: Iterable[DefectTry], judge: Judge
) -> Iterator[tuple[DefectTry, Assessment]]:
    """Yield these simulated defects on one image; none that it cannot have, or that a package cannot judge."""
    for one in tries:
        changed = with_defect(original.radiograph, FindingName(one.defect), one.severity, one.seed)
        if changed is None:
            continue
        try:
            yield one, judge(original.header, changed, original.digest)
        except MiqaError:  # of one picture that a package cannot judge
            continue


def learned_room(
    place: Place, images: Sequence[SeenImage], trials: Iterable[SeenImage], policy: Policy, budget: float
) -> LearnedRoom:
    """The limits of a room that has enough images, provisionally.

    Images that other rules flag teach nothing. ``budget`` is the share of the others that limits may leave flagged.
    """
    kinds, tried = kinds_of(policy), tuple(trials)
    sides = second_sides(tried, kinds)
    degrees = learned_limits([one for one in images if not one.always], sides, kinds, budget)
    limits = tuple(
        RoomLimit.at(place, FindingName(name), _compared(name, degree, policy), replaces=False)
        for name, degree in sorted(degrees.items())
    )
    counts = {one.defect: (one.simulated, one.found({}), one.found(degrees)) for one in sides.values()}
    return LearnedRoom(
        RoomLook(place, RoomState.PROVISIONAL, len(images), found=_share_found(tried, degrees)),
        limits,
        before=sum(one.always or one.is_flagged({}) for one in images),
        flagged=sum(one.always or one.is_flagged(degrees) for one in images),
        always=sum(one.always for one in images),
        sides=counts,
        degrees=degrees,
    )


def _share_found(trials: Sequence[SeenImage], limits: Mapping[str, float]) -> float | None:
    """Of images with a simulated defect the share that any rule flags, the mean over the defects; None without any."""
    by_defect: dict[str, list[bool]] = {}
    for one in trials:
        by_defect.setdefault(one.defect, []).append(one.always or one.is_flagged(limits))
    return mean(map(mean, by_defect.values())) if by_defect else None


def _compared(name: str, degree: float, policy: Policy) -> float:
    """The limit that rules compare with: a finding flags from there on, a measurement only beyond."""
    measured = [one for one in policy.rules if one.what == name and one.subject is Subject.MEASUREMENT]
    if not measured or name == ANOMALY:
        return degree
    is_below = any(one.side is LimitSide.BELOW for one in measured)
    return math.nextafter(-degree, math.inf) if is_below else math.nextafter(degree, -math.inf)
