"""The policy in force as rules by scope, each with what it flagged lately; nothing can be changed here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.policy import Policy, Scope, rules_version
from miqa_node.core.settings.policy import read_policy
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.html.formats import finding
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.html.rule_words import RuleWords, covered, rules_of
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.stages.conclusion.rows.rule_counts import RuleCounts, rule_counts

DAYS = 30
"""For how long the page counts."""

router = APIRouter()


@dataclass(frozen=True, slots=True)
class ScopeRules:
    """A scope with its rules, each with how many images it flagged."""

    name: str
    covers: str
    judged: int
    flagged: int
    rules: tuple[tuple[RuleWords, int], ...]
    ignored: tuple[str, ...]


@router.get("/policy")
def policy_page(services: Services, who: Reader) -> str:
    """The rules of each scope in the order in which scopes are tried."""
    policy, since = policy_in_force(services), datetime.now(UTC) - timedelta(days=DAYS)
    with services.database.begin() as transaction:
        counts = rule_counts(transaction, rules_version(policy.version), since)
    return render(
        "policy/policy.html",
        who=who,
        policy=policy,
        days=DAYS,
        counts=counts,
        began=counts.since if counts.since and counts.since - since > timedelta(days=1) else None,
        scopes=[_rules(scope, counts) for scope in policy.scopes],
    )


def policy_in_force(services: WebServices) -> Policy:
    """That of the node, else the one of its file."""
    return services.policy() if services.policy is not None else read_policy(services.settings.policy_file)


def _rules(scope: Scope, counts: RuleCounts) -> ScopeRules:
    return ScopeRules(
        scope.name,
        covered(scope),
        counts.judged.get(scope.name, 0),
        counts.flagged.get(scope.name, 0),
        tuple((rule, counts.by_rule.get((scope.name, rule.key), 0)) for rule in rules_of(scope)),
        tuple(finding(name) for name in scope.ignored_findings),
    )


PAGE = Page(router, Permission.READ, file=__file__)
