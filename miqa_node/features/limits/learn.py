"""A room's own limits, learned from its images alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import ANOMALY, Bounds, LimitSide, Rule, Subject
from miqa_node.core.domain.site_limit import SiteLimits


@dataclass(frozen=True, slots=True)
class SeenImage:
    """How far one image is beyond the soft rules of the policy, by the name of a finding or measurement.

    ``degrees``: the strength of a finding, the value of a measurement (negative where the rule flags below its limit),
    or the score of ``anomaly``; higher is worse. ``flags``: those that flag by the policy's limits. ``always``: another
    rule flags the image. ``is_severe``: a degree would flag in any place, so that the image teaches nothing.
    """

    degrees: Mapping[str, float]
    flags: frozenset[str]
    always: bool
    is_severe: bool = False
    bounds: Mapping[str, Bounds] = field(default_factory=dict)

    def is_flagged(self, limits: Mapping[str, float]) -> bool:
        """Whether a soft rule flags it with these limits."""
        return any(
            degree >= limits[name] if name in limits else name in self.flags for name, degree in self.degrees.items()
        )


def seen_image(assessment: Assessment, policy: Policy) -> SeenImage:
    """What a room learns from an image."""
    image = replace(assessment, header=assessment.known_header)
    plain = decide_quality(assessment, replace(policy, site_limits=SiteLimits()))
    learned = {rule.what: rule for rule in policy.covering(image.header, image.kind) if rule.is_learned}
    flagging = frozenset(reason.name for reason in plain.reasons if reason.verdict.flagged)
    degrees = {name: degree for name, rule in learned.items() if (degree := _degree(rule, image)) is not None}
    severe = any(rule.is_severe(_value(rule, degrees[name])) for name, rule in learned.items() if name in degrees)
    return SeenImage(degrees, flagging & degrees.keys(), bool(flagging - degrees.keys()), severe)


def _value(rule: Rule, degree: float) -> float:
    return -degree if rule.subject is Subject.MEASUREMENT and rule.side is LimitSide.BELOW else degree


def _degree(rule: Rule, assessment: Assessment) -> float | None:
    if rule.subject is Subject.FINDING:
        finding = assessment.finding(FindingName(rule.what))
        return None if finding is None else finding.strength
    if rule.what == ANOMALY:
        return None if assessment.anomaly is None else assessment.anomaly.score
    measured = assessment.measurement(rule.what)
    return None if measured is None else -measured.value if rule.side is LimitSide.BELOW else measured.value


def learned_limits(images: Sequence[SeenImage], _budget: float) -> dict[str, float]:
    """By name the degree from which a rule flags."""
    limits = {}
    for name in sorted({name for image in images for name in image.degrees}):
        ordered = sorted(image.degrees[name] for image in images if name in image.degrees)
        largest = ordered[-1]
        limits[name] = math.nextafter(largest + 0.1 * (largest - median(ordered)), math.inf)
    return limits
