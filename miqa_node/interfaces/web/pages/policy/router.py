"""The policy in force as rules by place, each with what it flagged lately, and what a file would flag instead.

Nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from fastapi import APIRouter, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.policy import Policy, rules_version
from miqa_node.core.domain.rule import CONDITIONS, Where
from miqa_node.core.settings.policy import read_policy_text
from miqa_node.core.taxonomy.reasons import reason_words
from miqa_node.core.words.formats import whole
from miqa_node.core.words.rule_table import RuleCells, cells_of_package, cells_of_rule, conditions
from miqa_node.errors import MiqaError
from miqa_node.interfaces.web.access import Reader, Reviewer
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.stages.conclusion.policy_trial import PolicyTrial, compare
from miqa_node.stages.conclusion.rows.judged import judged_since
from miqa_node.stages.conclusion.rows.rule_counts import RuleCounts, rule_counts

DAYS = 30
"""For how long the page counts."""
MOST_TRIED = 5000
"""Images that a file is tried on, the newest ones: the page answers within some seconds. The command tries all."""

router = APIRouter()


@dataclass(frozen=True, slots=True)
class PlaceRules:
    """A place with its rules, each with how many images it flagged, and ``narrower`` ones of single rules."""

    name: str
    covers: str
    apart_from: tuple[str, ...]
    rules: tuple[RuleCells, ...]
    counts: tuple[str, ...]
    narrower: tuple[PlaceRules, ...] = ()


@router.get("/policy")
def policy_page(services: Services, who: Reader) -> str:
    """The rules of each place, in the order of the file."""
    policy, since = services.policy_in_force, datetime.now(UTC) - timedelta(days=DAYS)
    with services.database.begin() as transaction:
        counts = rule_counts(transaction, rules_version(policy.version), since)
    return render(
        "policy/policy.html",
        who=who,
        policy=policy,
        days=DAYS,
        counts=counts,
        began=counts.since if counts.since and counts.since - since > timedelta(days=1) else None,
        places=list(_places(policy, counts)),
    )


@router.post("/policy/trial")
async def try_file(services: Services, who: Reviewer, file: UploadFile) -> HTMLResponse:
    """What a policy would newly flag of the images that were judged lately, and what no longer."""
    data = await file.read()
    try:
        tried = read_policy_text(data, "policy.toml")
    except MiqaError as error:
        return HTMLResponse(render("policy/trial.html", who=who, fault=str(error), trial=None, **_LIMITS))
    trial = await run_in_threadpool(_try, services, tried)
    return HTMLResponse(render("policy/trial.html", who=who, fault="", trial=trial, tried=tried, **_LIMITS))


_LIMITS = {"days": DAYS, "most": MOST_TRIED, "title": reason_words}


def _try(services: WebServices, tried: Policy) -> PolicyTrial:
    in_force, since = services.policy_in_force, datetime.now(UTC) - timedelta(days=DAYS)
    tried = tried.with_limits(in_force.site_limits)
    with services.database.begin() as transaction:
        return compare(islice(judged_since(transaction, since), MOST_TRIED), in_force, tried)


def _places(policy: Policy, counts: RuleCounts) -> Iterator[PlaceRules]:
    """Yield each place that the policy names, and what rules without a place are about."""
    wheres = dict.fromkeys([*(rule.where for rule in policy.rules), *(where for where, _ in policy.packages)])
    for place in (*policy.places, Where()):
        own = [where for where in wheres if where.name == place.name and where.own and where != place]
        narrower = tuple(_rules(policy, counts, where, where.own) for where in own)
        whole_place = _rules(policy, counts, place, CONDITIONS, narrower)
        if place.name or whole_place.rules or narrower:
            yield whole_place


def _rules(
    policy: Policy,
    counts: RuleCounts,
    where: Where,
    shown: tuple[str, ...],
    narrower: tuple[PlaceRules, ...] = (),
) -> PlaceRules:
    cells = tuple(cells_of_rule(rule) for rule in policy.rules if rule.where == where)
    packages = [rule for place, rule in policy.packages if place == where]
    waiting = [
        sum(count for label, count in counts.by_package.items() if f"{label}-".startswith(f"{one.package}-"))
        for one in packages
    ]
    return PlaceRules(
        where.name,
        conditions(where, shown),
        tuple(one.name for one in where.apart_from),
        (*cells, *map(cells_of_package, packages)),
        (*(whole(counts.by_rule.get(one.number, 0)) if one.may_flag else "–" for one in cells), *map(whole, waiting)),
        narrower,
    )


PAGE = Page(router, Permission.READ, file=__file__)
