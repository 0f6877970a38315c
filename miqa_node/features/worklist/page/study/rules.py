"""Which scope of the policy an image was judged by and why, and which rule each reason comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.policy import Policy, rules_version
from miqa_node.core.domain.verdict import Disposition
from miqa_node.interfaces.web.html.rule_words import RuleWords, matching, rule_of


@dataclass(frozen=True, slots=True)
class RuleTrail:
    """The scope, what of the image it matched, and the rules by the text of their reasons.

    ``place`` is that of the scope in the policy in force, from 1. ``now`` is its version, if another one judged the
    image: then only the name of the scope is known.
    """

    scope: str
    place: int = 0
    because: str = ""
    rules: Mapping[str, RuleWords] = field(default_factory=dict)
    now: str = ""


def rule_trail(
    policy: Policy | None, assessment: Assessment | None, disposition: Disposition | None
) -> RuleTrail | None:
    """How the verdict came about; None of an image that no scope covered, or that waits for a verdict."""
    if disposition is None or not disposition.scope:
        return None
    if (
        policy is None
        or assessment is None
        or rules_version(disposition.policy_version) != rules_version(policy.version)
    ):
        return RuleTrail(disposition.scope, now="" if policy is None else policy.version)
    header = assessment.known_header
    scope = policy.scope_of(header, assessment.kind)
    if scope is None or scope.name != disposition.scope:
        return RuleTrail(disposition.scope)
    rules = {reason.text: rule for reason in disposition.reasons if (rule := rule_of(scope, reason)) is not None}
    return RuleTrail(scope.name, policy.scopes.index(scope) + 1, matching(scope, header, assessment.kind), rules)
