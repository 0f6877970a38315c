"""The page of the policy as rules, and the rule that a study names for each of its reasons."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.domain.codes import MOTION_BLUR, OTHER_FAILURE
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.prediction import PendingReason
from miqa_node.core.domain.reason_texts import finding_text, measured_text, pending_text, unusual_text
from miqa_node.core.domain.rule import LimitSide
from miqa_node.core.domain.rule_key import key_of
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.core.domain.verdict import Reason, Verdict
from miqa_node.core.language.catalogue import catalogue, spoken
from miqa_node.core.settings.files import read_toml
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.interfaces.web.html.rule_words import SCOPE_NAMES, rule_of, rules_of
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.tables import dispositions
from tests.web.staging import Stage

SHIPPED = Path(__file__).parents[3] / "config" / "policy.toml"
TAGS = re.compile(r"<[^>]+>")
RULES: dict[str, Any] = {
    "version": "2026-01",
    "scope": [
        {"name": "CT series", "modality": ["CT"]},
        {
            "name": "frontal chest",
            "modality": ["CR", "DX"],
            "body_part": ["CHEST"],
            "finding": [
                {"name": "motion_blur", "verdict": "REVIEW", "min_severity": 0.25},
                {"name": "motion_blur", "verdict": "REJECT", "min_probability": 0.9, "min_severity": 0.5},
            ],
            "measurement": [
                {"name": "noise", "above": 20, "verdict": "REVIEW", "reason": "noise"},
                {"name": "noise", "below": 1, "verdict": "REVIEW", "reason": "noise"},
            ],
            "usual": [{"name": "noise", "side": "above", "verdict": "REVIEW", "reason": "noise"}],
        },
    ],
}


def use(app: FastAPI, stage: Stage, rules: Mapping[str, Any]) -> Policy:
    policy = parse_policy(rules)
    app.state.services = replace(stage.services, policy=lambda: policy)
    return policy


def words(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(TAGS.sub(" ", page)))


def row(page: str, *parts: str) -> str:
    """The last cell of the row with these words."""
    [cells] = [one for one in re.findall("<tr>.*?</tr>", page, re.DOTALL) if all(part in words(one) for part in parts)]
    return words(re.findall("<td.*?</td>", cells, re.DOTALL)[-1]).strip()


def test_each_rule_has_what_it_flagged_in_thirty_days(stage: Stage, app: FastAPI, client: TestClient) -> None:
    use(app, stage, RULES)
    now = datetime.now(UTC)
    for number, days in enumerate((0, 2, 29, 31)):
        stage.add(number, Verdict.REJECT, at=now - timedelta(days=days))
    stage.add(8, Verdict.REVIEW, at=now)
    stage.add(9, Verdict.ACCEPT, at=now)

    page = client.get("/policy").text

    assert row(page, "from probability 0.9 and severity 0.5 on") == "3"
    assert row(page, "from severity 0.25 on") == "1"
    assert row(page, "above 20") == "0"
    assert "5 images and series were judged, 4 were flagged" in words(page)
    assert "The numbers are of the last 30 days" in words(page)


def test_a_new_version_counts_from_its_first_verdict(stage: Stage, app: FastAPI, client: TestClient) -> None:
    first = datetime.now(UTC) - timedelta(days=3)
    stage.add(1, Verdict.REJECT, at=first)
    use(app, stage, RULES)
    assert f'datetime="{first.isoformat()}"' in client.get("/policy").text
    use(app, stage, RULES | {"version": "2026-02"})
    page = client.get("/policy").text
    assert "Nothing was judged by this policy" in page
    assert row(page, "from probability 0.9 and severity 0.5 on") == "0"


def test_a_study_names_scope_and_rule(stage: Stage, app: FastAPI, client: TestClient) -> None:
    stage.add(1, Verdict.REJECT)
    use(app, stage, RULES)

    page = client.get("/studies/1.2.3.1").text

    text = words(page)
    assert "Rule: Motion blur: from probability 0.9 and severity 0.5 on → Rejected" in text
    assert "Scope “frontal chest”, the first of the policy that covers the image: modality DX, body part CHEST." in text
    assert 'href="/policy#scope-2"' in page
    assert 'id="scope-2"' in client.get("/policy").text

    use(app, stage, RULES | {"version": "2026-02"})
    text = words(client.get("/studies/1.2.3.1").text)
    assert "Today the policy 2026-02 is in force; the rules of then are not kept." in text
    assert "Rule:" not in text


def test_reasons_are_told_apart_by_rule() -> None:
    scope = parse_policy(RULES).scopes[1]
    low, high = Measurement("noise", 0.5, "1"), Measurement("noise", 30, "1")
    for measured, side, limit in ((high, LimitSide.ABOVE, 20.0), (low, LimitSide.BELOW, 1.0)):
        reason = Reason("noise", measured_text(measured, side, limit), OTHER_FAILURE, Verdict.REVIEW, "noise")
        rule = rule_of(scope, reason)
        assert rule is not None
        assert rule.condition == f"{side.value} {limit:g}"
    reason = Reason(FindingName.MOTION_BLUR, finding_text("Motion blur", 0.97, 0.6), MOTION_BLUR, Verdict.REJECT)
    assert key_of(reason) == ("motion_blur", "REJECT", "")
    waits = pending_text("pneumonia-ensemble-0.3", "The confidence is low.")
    reason = Reason(PendingReason.LOW_CONFIDENCE.value, waits, OTHER_FAILURE, Verdict.ACCEPT)
    assert key_of(reason)[0] == "package:pneumonia-ensemble"


def test_what_a_machine_usually_sends_is_a_rule_like_others(stage: Stage, app: FastAPI, client: TestClient) -> None:
    [low, usual] = [UsualRange("noise", "1", at, at + 1, 60, datetime(2026, 11, 2, tzinfo=UTC)) for at in (1.0, 4.0)]
    _, digest = stage.add(1, Verdict.REVIEW, at=datetime.now(UTC))
    text = unusual_text(Measurement("noise", 12.5, "1"), usual, "above")
    reason = Reason("noise", text, OTHER_FAILURE, Verdict.REVIEW, "noise")
    document = documents.dump_reasons((reason,))
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.update(dispositions).values(reasons=document).where(dispositions.c.digest == digest))
    policy = use(app, stage, RULES)

    assert row(client.get("/policy").text, "above the confirmed usual range of its machine") == "1"
    assert row(client.get("/policy").text, "above 20") == "0"
    shown = words(client.get("/studies/1.2.3.1").text)
    assert "above the confirmed usual range of its machine → Review" in shown
    of_side = unusual_text(Measurement("noise", 0.5, "1"), low, "below")
    assert rule_of(policy.scopes[1], replace(reason, text=of_side)) is None, "no rule is about what is too low"


@pytest.mark.quick
def test_the_shipped_policy_is_german_on_german_pages() -> None:
    policy, german = read_policy(SHIPPED), catalogue("de")
    names = [one["name"] for one in read_toml(SHIPPED)["scope"]]
    assert list(map(str, SCOPE_NAMES)) == names
    assert all(german.gettext(name) != name for name in names)
    for scope in policy.scopes:
        english = rules_of(scope)
        assert english
        assert len({rule.key for rule in english}) == len(english), "each rule has a count of its own"
        with spoken("de"):
            for before, after in zip(english, rules_of(scope), strict=True):
                assert before.key == after.key
                assert before.title != after.title or before.title == "SUV", before
                assert not before.condition or before.condition != after.condition, before


def test_a_finding_with_two_points_says_both_and_of_what_parts() -> None:
    other = next(scope for scope in read_policy(SHIPPED).scopes if scope.name == "other radiograph")
    [motion] = [rule for rule in rules_of(other) if rule.key[0] == "motion_blur"]
    assert "from probability 0.12 on (ANKLE, " in motion.condition
    assert "from probability 0.2 on (CSPINE, " in motion.condition
