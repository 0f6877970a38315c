"""What ``miqa-node doctor`` says of policies without the rule for images whose pixels contradict the header.

Without it a wrong label, a wrong patient and a chest that is too blurred to be one are NOT_ASSESSED, and on no list.
"""

from __future__ import annotations

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.rule import Subject, Where
from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.errors import MiqaError
from miqa_node.stages.assess.contradiction import CONTRADICTION
from miqa_node.stages.units.kinds import GENERAL_RADIOGRAPHY


def rule_of_contradictions(settings: Settings) -> str:
    """Which places of radiographs lack the rule, and where the lines stand that add it."""
    try:
        policy = read_policy(settings.policy_file)
    except MiqaError:  # the check of the policy names it
        return "not looked at"
    lacking = [place.name for place in policy.places if _lacks_rule(policy, place)]
    if not lacking:
        return f"the policy has a rule for {CONTRADICTION}"
    return (
        f"no rule for {CONTRADICTION} in {', '.join(lacking)}: an image that does not show what its header names is on "
        "no list there; config/policy.toml has the lines to add, if the site did not take them out"
    )


def _lacks_rule(policy: Policy, place: Where) -> bool:
    is_of_radiographs = not place.modality or not GENERAL_RADIOGRAPHY.isdisjoint(place.modality)
    rules = (rule for rule in policy.of(Subject.CONTRADICTION) if rule.what == CONTRADICTION)
    return is_of_radiographs and not any(place.is_within(rule.where) for rule in rules)
