"""What ``miqa-node doctor`` says of policies without the rule for images whose pixels contradict the header.

Without it a wrong label, a wrong patient and a chest that is too blurred to be one are NOT_ASSESSED, and on no list.
"""

from __future__ import annotations

from miqa_node.core.domain.policy import Scope
from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.errors import MiqaError
from miqa_node.stages.assess.contradiction import CONTRADICTION
from miqa_node.stages.units.kinds import GENERAL_RADIOGRAPHY


def rule_of_contradictions(settings: Settings) -> str:
    """Which scopes for radiographs lack the rule, and where the lines stand that add it."""
    try:
        policy = read_policy(settings.policy_file)
    except MiqaError:  # the check of the policy names it
        return "not looked at"
    lacking = [scope.name or "without a name" for scope in policy.scopes if _lacks_rule(scope)]
    if not lacking:
        return f"the policy has a rule for {CONTRADICTION}"
    return (
        f"no rule for {CONTRADICTION} in {', '.join(lacking)}: an image that does not show what its header names is on "
        "no list there; config/policy.toml has the lines to add, if the site did not take them out"
    )


def _lacks_rule(scope: Scope) -> bool:
    is_of_radiographs = not scope.modality or not GENERAL_RADIOGRAPHY.isdisjoint(scope.modality)
    return is_of_radiographs and all(rule.issue != CONTRADICTION for rule in scope.plausibility)
