"""What ``miqa-node doctor`` says of predictions: by which evidence each package automates, and what ends soon."""

from __future__ import annotations

from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError
from miqa_node.features.operations.command.health_checks import FailedCheck
from miqa_node.interfaces.cli.site_choice import policy_of
from miqa_node.stages.assess.automation import MAKE_ANOTHER, automation_of

REVOKED_OR_NEW = f"{MAKE_ANOTHER} Until then every answer waits for a person."


def evidence_of_packages(settings: Settings) -> str:
    """Plain rule, card, certificate or none, of each package that predicts."""
    try:
        packages = automation_of(settings, policy_of(settings))
    except MiqaError:  # the checks of the policy and of models name it
        return "not looked at"
    texts = [f"{one.package} automates by {one.evidence}{f' ({one.detail})' if one.detail else ''}" for one in packages]
    detail = "; ".join(texts) or "no package predicts"
    if any(one.is_over or one.is_near_end for one in packages):
        raise FailedCheck(detail, REVOKED_OR_NEW if any(one.is_over for one in packages) else MAKE_ANOTHER)
    return detail
