"""A room's own limits, learned from its images and tried with simulated defects on some of them.

Nobody labels anything. One ordinary image of the room after the other is silenced, by limits just above what it shows,
the one first that costs the fewest simulated defects, until the alarm budget is kept; where limits cost next to nothing
they rise on. No limit may cost more than a share of the simulated defects that the policy finds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import ANOMALY, LimitSide, Rule, Subject
from miqa_node.core.domain.site_limit import FEW_DEFECTS, SiteLimits

MOST_LOST, MOST_NOISE_LOST = 0.2, 0.5
"""Share of the simulated defects that the policy finds which limits may lose; grain is a room's own most of all."""
LITTLE_LOST = 0.1
"""What may be lost for one image within the budget, as a part of these shares, for a room quieter than it has to be."""


@dataclass(frozen=True, slots=True)
class SeenImage:
    """How far one image is beyond the soft rules of the policy, by the name of a finding or measurement.

    ``degrees``: the strength of a finding, the value of a measurement (negative where the rule flags below its limit),
    or the score of ``anomaly``; higher is worse. ``flags``: those that flag by the policy's limits. ``always``: another
    rule flags the image. ``defect`` was simulated on it, which is ``unaltered`` without; empty of an image as it came.
    """

    degrees: Mapping[str, float]
    flags: frozenset[str]
    always: bool
    defect: str = ""
    unaltered: SeenImage | None = None

    def is_flagged(self, limits: Mapping[str, float]) -> bool:
        """Whether a soft rule flags it with these limits."""
        return any(self.degrees[name] >= limits.get(name, -math.inf) for name in self.flags)


def seen_image(assessment: Assessment, policy: Policy, defect: str = "") -> SeenImage:
    """What a room learns from an image, or from a simulated defect on one."""
    image = replace(assessment, header=assessment.known_header)
    plain = decide_quality(assessment, replace(policy, site_limits=SiteLimits()))
    learned = {rule.what: rule for rule in policy.covering(image.header, image.kind) if rule.is_learned}
    flagging = frozenset(reason.name for reason in plain.reasons if reason.verdict.flagged)
    degrees = {name: degree for name, rule in learned.items() if (degree := _degree(rule, image)) is not None}
    return SeenImage(degrees, flagging & degrees.keys(), bool(flagging - degrees.keys()), defect)


def _degree(rule: Rule, assessment: Assessment) -> float | None:
    if rule.subject is Subject.FINDING:
        finding = assessment.finding(FindingName(rule.what))
        return None if finding is None else finding.strength
    if rule.what == ANOMALY:
        return None if assessment.anomaly is None else assessment.anomaly.score
    measured = assessment.measurement(rule.what)
    return None if measured is None else -measured.value if rule.side is LimitSide.BELOW else measured.value


@dataclass(frozen=True, slots=True)
class DefectOnImage:
    """The degrees of the rules that tell of a simulated defect, with it and without it."""

    degrees: Mapping[str, float]
    unaltered: Mapping[str, float]

    def is_found(self, limits: Mapping[str, float]) -> bool:
        """Whether the image is flagged with the defect and silent without: what flags a whole room finds nothing."""
        return _is_beyond(self.degrees, limits) and not _is_beyond(self.unaltered, limits)


def _is_beyond(degrees: Mapping[str, float], limits: Mapping[str, float]) -> bool:
    return any(degree >= limits.get(name, -math.inf) for name, degree in degrees.items())


@dataclass(frozen=True)
class SecondSide:
    """The simulated defects of one kind that the policy flags, out of ``simulated``.

    ``most_found``: how many the best limits so far find.
    """

    defect: str
    simulated: int
    tries: tuple[DefectOnImage, ...]
    most_found: int = 0

    @property
    def is_tried(self) -> bool:
        """Whether they are enough to say what limits cost."""
        return len(self.tries) >= FEW_DEFECTS

    def found(self, limits: Mapping[str, float]) -> int:
        """How many are found with these limits."""
        return sum(one.is_found(limits) for one in self.tries)

    def after(self, every: Iterable[Mapping[str, float]]) -> SecondSide:
        """With the best of these limits as the best so far, if they find more."""
        return replace(self, most_found=max([self.most_found, *map(self.found, every)]))

    def lost(self, limits: Mapping[str, float]) -> float:
        """The share that is found no more, of what may be lost at most: above 1 it is too much."""
        most = MOST_NOISE_LOST if self.defect == FindingName.NOISE else MOST_LOST
        return (1.0 - self.found(limits) / self.most_found) / most if self.most_found else 0.0


def second_sides(trials: Iterable[SeenImage], kinds: Mapping[str, Collection[str]]) -> dict[str, SecondSide]:
    """By defect what was tried; ``kinds`` names the simulated defects that each rule tells of."""
    of: dict[str, list[SeenImage]] = {}
    for one in trials:
        of.setdefault(one.defect, []).append(one)
    sides = {}
    for defect, mine in of.items():
        telling = {name for name, kind in kinds.items() if defect in kind}
        tries = (DefectOnImage(_flagging(one, telling), _flagging(one.unaltered, telling)) for one in mine)
        sides[defect] = SecondSide(defect, len(mine), tuple(one for one in tries if one.degrees)).after([{}])
    return sides


def _flagging(image: SeenImage | None, names: Collection[str]) -> dict[str, float]:
    return {name: image.degrees[name] for name in image.flags if name in names} if image is not None else {}


def learned_limits(
    images: Sequence[SeenImage], sides: Mapping[str, SecondSide], kinds: Mapping[str, Collection[str]], budget: float
) -> dict[str, float]:
    """By name the degree from which a rule flags, for the rules that the policy's limit is too strict for.

    No other rule flags these images. Rules whose simulated defects were not tried keep the policy's limit; one that
    tells of none costs none. ``budget`` is the share of images that may be flagged.
    """
    names = {name for image in images for name in image.degrees}
    free = {name for name in names if all(one in sides and sides[one].is_tried for one in kinds.get(name, ()))}
    limits: dict[str, float] = {}
    while waiting := [image for image in images if image.is_flagged(limits)]:
        is_over = len(waiting) > budget * len(images)
        steps = [step for image in waiting if (step := _silencing(image, limits, free)) is not None]
        sides = {one: side.after(steps) for one, side in sides.items()}
        before = _lost(sides.values(), limits)
        costs = [_lost(sides.values(), step) for step in steps]
        allowed = [
            (sum(cost), place)
            for place, cost in enumerate(costs)
            if max(cost, default=0.0) <= 1.0 and (is_over or sum(cost) - sum(before) <= LITTLE_LOST)
        ]
        if not allowed:
            break
        limits = steps[min(allowed)[1]]
    most = {one: side.lost(limits) + LITTLE_LOST for one, side in sides.items()}
    for name in sorted(free):
        limits = _raised(name, images, limits, sides, most)
    return limits


def _lost(sides: Iterable[SecondSide], limits: Mapping[str, float]) -> list[float]:
    return [side.lost(limits) for side in sides]


def _silencing(image: SeenImage, limits: Mapping[str, float], free: Collection[str]) -> dict[str, float] | None:
    """The limits with which an image is not flagged; None if a rule flags it whose limit is fixed."""
    flagging = [name for name in image.flags if image.degrees[name] >= limits.get(name, -math.inf)]
    if any(name not in free for name in flagging):
        return None
    return {**limits, **{name: math.nextafter(image.degrees[name], math.inf) for name in flagging}}


def _raised(
    name: str,
    images: Sequence[SeenImage],
    limits: Mapping[str, float],
    sides: Mapping[str, SecondSide],
    most: Mapping[str, float],
) -> dict[str, float]:
    """With the limit raised to where more than a little would be lost: the room's next images vary, too.

    ``most`` is what may be lost by defect. Where nothing tells what is lost, by as much as the last tenth of the images
    spans.
    """
    of_defects = sorted({one.degrees[name] for side in sides.values() for one in side.tries if name in one.degrees})
    if not of_defects:
        ordered = sorted(image.degrees[name] for image in images if name in image.degrees)
        span = ordered[-1] - ordered[int(0.9 * len(ordered))]
        return {**limits, name: max(limits.get(name, -math.inf), ordered[-1]) + span}
    raised = {**limits}
    for degree in of_defects:
        step = {**raised, name: max(degree, limits.get(name, -math.inf))}
        if any(side.lost(step) > min(most[one], 1.0) for one, side in sides.items()):
            break
        raised = step
    return raised
