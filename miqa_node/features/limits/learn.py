"""The limits of a place from its own images alone: from which degree on a soft finding or measurement is unusual there.

The limit of one value is ``v[k] + m * (v[k] - median(v))``, where ``v[k]`` is its k-th largest among the images, which
may be lower or higher than the policy's. ``k`` leaves room for a few bad images among those that teach; the alarm
budget chooses ``m`` for all soft values together, each image against limits that it did not make
(docs/adr/0029-limits-of-a-place.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import ANOMALY, Bounds, Rule, Subject
from miqa_node.core.domain.site_limit import SiteLimits

BAD_SHARE = 0.06
"""So many of the images that teach may lie beyond the limit of a value: a few bad ones do not make it."""
LEAST_MARGIN, MOST_MARGIN = 0.5, 3.0
"""Bounds of ``m``, as a share of the distance between the median and the k-th largest value."""
MOST_MEASURED_MARGIN = 1.0
"""The same of measured values that no policy limits: their tails are shorter than those of probabilities."""
LEAST_VALUES = 2
"""Of fewer values nothing is beyond others."""

Column = Sequence[float | None]
"""The degrees of one value in the images that teach; None where it was not judged or measured."""


@dataclass(frozen=True, slots=True)
class SeenImage:
    """How far one image is beyond the rules that a place learns, by the name of a finding or measurement.

    ``degrees``: the strength of a finding, the value of a measurement (negative where the rule flags below its limit),
    or the score of ``anomaly``; higher is worse. ``flags``: those that flag by the policy's limits. ``always``: another
    rule flags the image. ``is_severe``: a degree flags in any place, so that the image teaches nothing. ``bounds`` are
    those of its rules, as degrees.
    """

    degrees: Mapping[str, float]
    flags: frozenset[str]
    always: bool
    is_severe: bool = False
    bounds: Mapping[str, Bounds] = field(default_factory=dict)

    def is_flagged(self, limits: Mapping[str, float]) -> bool:
        """Whether a rule that a place learns flags it, with these limits of the place."""
        return any(
            self.is_beyond(name, limits[name]) if name in limits else name in self.flags for name in self.degrees
        )

    def is_beyond(self, name: str, limit: float) -> bool:
        """Whether the place's limit of what it has flags it; a hard rule's own limit has to be passed, too."""
        return self.degrees[name] >= limit and (self.bounds[name].is_soft or name in self.flags)


def seen_image(assessment: Assessment, policy: Policy) -> SeenImage:
    """What a place learns from an image."""
    image = replace(assessment, header=assessment.known_header)
    plain = decide_quality(assessment, replace(policy, site_limits=SiteLimits()))
    learned = {rule.what: rule for rule in policy.covering(image.header, image.kind) if rule.may_learn(image)}
    flagging = frozenset(reason.name for reason in plain.reasons if reason.verdict.flagged)
    degrees = {name: degree for name, rule in learned.items() if (degree := _degree(rule, image)) is not None}
    bounds = {name: learned[name].bounds for name in degrees}
    is_severe = any(degree >= bounds[name].severe for name, degree in degrees.items())
    return SeenImage(degrees, flagging & degrees.keys(), bool(flagging - degrees.keys()), is_severe, bounds)


def _degree(rule: Rule, assessment: Assessment) -> float | None:
    if rule.subject is Subject.FINDING:
        finding = assessment.finding(FindingName(rule.what))
        return None if finding is None else finding.strength
    if rule.what == ANOMALY:
        return None if assessment.anomaly is None else assessment.anomaly.score
    measured = assessment.measurement(rule.what)
    return None if measured is None else rule.degree(measured.value)


def learned_limits(images: Sequence[SeenImage], budget: float) -> dict[str, float]:
    """By name the degree from which a rule flags images of the place that these show.

    ``budget`` is the share of images that soft values may flag, from 0 to 1. Images with a severe degree teach nothing.
    """
    teaching = [image for image in images if not image.is_severe]
    bounds = {name: image.bounds[name] for image in teaching for name in image.degrees}
    names = sorted(bounds)
    if not names:
        return {}
    columns = {name: [image.degrees.get(name) for image in teaching] for name in names}
    soft = [_excesses(columns[name], bounds[name].floor) for name in names if bounds[name].is_soft]
    margin = _margin([max(each) for each in zip(*soft, strict=True)], budget) if soft else MOST_MARGIN
    return {name: _limit(column, margin, bounds[name]) for name, column in columns.items()}


def rank_of(images: int) -> int:
    """Which of the largest values of so many images the limit begins at; 1 is the largest.

    >>> [rank_of(images) for images in (1, 20, 50, 200)]
    [1, 2, 3, 12]
    """
    return math.ceil(BAD_SHARE * images)


def _excesses(column: Column, floor: float) -> list[float]:
    """How far each image lies beyond the k-th largest value of the others, in distances from there to the median.

    Below the floor, or without a value, minus infinity.
    """
    ordered = _ordered(column)
    if len(ordered) < LEAST_VALUES:
        return [-math.inf] * len(column)
    rank, middle = rank_of(len(ordered)), median(ordered)
    at, following = ordered[rank - 1], ordered[min(rank, len(ordered) - 1)]

    def excess(value: float | None) -> float:
        if value is None or value < floor:
            return -math.inf
        others = following if value >= at else at
        distance, beyond = others - middle, value - others
        return beyond / distance if distance > 0.0 else math.copysign(math.inf, beyond) if beyond else 0.0

    return [excess(value) for value in column]


def _margin(excesses: Sequence[float], budget: float) -> float:
    """The least margin with which no more than the budget of these images is flagged."""
    allowed = min(int(budget * len(excesses)), len(excesses) - 1)
    return min(max(sorted(excesses, reverse=True)[allowed], LEAST_MARGIN), MOST_MARGIN)


def _limit(column: Column, margin: float, bounds: Bounds) -> float:
    if bounds.is_unlimited:
        margin = min(margin, MOST_MEASURED_MARGIN)
    ordered = _ordered(column)
    at = ordered[rank_of(len(ordered)) - 1]
    limit = math.nextafter(at + margin * (at - median(ordered)), math.inf)
    return min(max(limit, bounds.floor), bounds.severe)


def _ordered(column: Column) -> list[float]:
    return sorted((value for value in column if value is not None), reverse=True)
