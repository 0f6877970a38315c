"""The page of the policy as rules, and the table of rules of a study and of ``explain``: all say what was decided."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.prediction import PackageRule, PendingCause, PendingReason, Prediction
from miqa_node.core.domain.rule import AppliedRule, Outcome, Subject, Then
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.catalogue import catalogue, spoken
from miqa_node.core.settings.files import read_toml
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.words.rule_table import PLACE_NAMES, cells_of, cells_of_package, cells_of_rule
from miqa_node.runtime.store.tables import dispositions
from tests.policies import ACCEPT, policy_of
from tests.web.people import ORIGIN
from tests.web.staging import Stage, csrf

SHIPPED = Path(__file__).parents[3] / "config" / "policy.toml"
TAGS = re.compile(r"<[^>]+>")
CHEST = "frontal chest"
PLACES = {CHEST: {"modality": ["CR", "DX"], "body_part": ["CHEST"]}, "CT series": {"modality": ["CT"]}}
BLUR = {"finding": "motion_blur"}
NOISE = {"measurement": "noise", "then": "REVIEW", "reason": "noise"}
RULES = (
    {**BLUR, "then": "REVIEW", "min_severity": 0.25},
    {**BLUR, "then": "REJECT", "min_probability": 0.9, "min_severity": 0.5},
    {**BLUR, "then": "REJECT", "min_probability": 0.95, "min_severity": 0.5, "view": ["AP"], "room": ["ROOM9"]},
    {**NOISE, "above": 20},
    {**NOISE, "below": 1},
    {**NOISE, "above": "usual"},
    ACCEPT,
)


def rules(version: str = "2026-01") -> Policy:
    packages = [{"where": CHEST, "name": "pneumonia-ensemble", "min_confidence": 0.8}]
    return policy_of(*RULES, version=version, where=PLACES, package=packages)


def use(app: FastAPI, stage: Stage, policy: Policy) -> Policy:
    app.state.services = replace(stage.services, policy=lambda: policy)
    return policy


def words(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(TAGS.sub(" ", page)))


def row(page: str, *parts: str) -> list[str]:
    """The cells of the row with these words."""
    [cells] = [one for one in re.findall("<tr>.*?</tr>", page, re.DOTALL) if all(part in words(one) for part in parts)]
    return [words(one).strip() for one in re.findall("<t[hd].*?</t[hd]>", cells, re.DOTALL)]


def test_each_rule_has_what_it_flagged_in_thirty_days(stage: Stage, app: FastAPI, client: TestClient) -> None:
    policy, now = use(app, stage, rules()), datetime.now(UTC)
    waits = PendingCause(PendingReason.LOW_CONFIDENCE, "The confidence is low.")
    prediction = Prediction("pneumonia-ensemble-0.3", "ab" * 32, "normal", 0.6, {"normal": 0.6}, pending=(waits,))
    for number, days in enumerate((0, 2, 29, 31)):
        stage.add(number, Verdict.REJECT, at=now - timedelta(days=days), policy=policy)
    stage.add(8, Verdict.REJECT, at=now, policy=policy, noise=30)
    stage.add(9, Verdict.ACCEPT, at=now, policy=policy, predictions=(prediction,))

    page = client.get("/policy").text

    learned = "a room learns what is usual there"
    reject, review = f"from probability 0.9 and severity 0.5 on; {learned}", "from severity 0.25 on"
    assert row(page, reject) == ["Motion blur", reject, "the site's word", "Rejected", "4"]
    assert row(page, review)[2:] == ["the site's word", "Review", "4"]
    assert row(page, "above 20")[-2:] == ["Review", "1"]
    assert row(page, "below 1")[-1] == "0"
    assert row(page, "above the confirmed usual range of its machine")[2:] == [
        "the site's word, confirmed range", "Review", "0"
    ]  # fmt: skip
    assert row(page, "All findings of the model")[1:] == [
        "no rule flags the image", "the card of the package", "Accepted", "–"
    ]  # fmt: skip
    assert row(page, "Prediction of pneumonia-ensemble")[-1] == "1"
    text = words(page)
    assert "5 images and series were judged, 5 were flagged" in text
    assert "The numbers are of the last 30 days" in text
    assert "Only projection AP; room ROOM9" in text


def test_a_rule_of_some_of_a_place_counts_for_itself(stage: Stage, app: FastAPI, client: TestClient) -> None:
    own = {**BLUR, "then": "REVIEW", "min_probability": 0.9, "room": ["ROOM9"]}
    policy = policy_of({**BLUR, "then": "REVIEW", "min_probability": 0.8}, own, ACCEPT, version="2026-01", where=PLACES)
    use(app, stage, policy)
    for number, room in enumerate(("ROOM9", "ROOM9", "ROOM1")):
        stage.add(number, station=room, at=datetime.now(UTC), policy=policy)

    page = client.get("/policy").text

    assert row(page, "from probability 0.8 on")[-1] == "1"
    assert row(page, "from probability 0.9 on")[-1] == "2"
    assert "Motion blur (ROOM9)" in words(client.get("/studies/1.2.3.0").text)


def test_a_new_version_counts_from_its_first_verdict(stage: Stage, app: FastAPI, client: TestClient) -> None:
    first = datetime.now(UTC) - timedelta(days=3)
    stage.add(1, Verdict.REJECT, at=first, policy=use(app, stage, rules()))
    assert f'datetime="{first.isoformat()}"' in client.get("/policy").text
    use(app, stage, rules("2026-02"))
    page = client.get("/policy").text
    assert "Nothing was judged by this policy" in page
    assert row(page, "from probability 0.9 and severity 0.5 on")[-1] == "0"


def test_a_study_has_the_table_of_then_whatever_the_policy_says_now(
    stage: Stage, app: FastAPI, client: TestClient
) -> None:
    stage.add(1, Verdict.REJECT, policy=use(app, stage, rules()))
    use(app, stage, policy_of({**BLUR, "then": "HINT"}, version="2026-02", place="elsewhere"))

    page = client.get("/studies/1.2.3.1").text

    blur = "from probability 0.9 and severity 0.5 on"
    assert row(page, blur)[1:5] == ["probability 0.97, severity 0.60", blur, "the site's word", "Rejected"]
    assert row(page, "Noise", "above 20")[1:5] == ["12.5", "above 20", "the site's word", "within, else Review"]
    within = page.index("Within their limits (3)")
    assert page.index("Rules that applied (5)") < page.index(blur) < within < page.index("above 20")
    assert f"Place “{CHEST}” of the policy 2026-01. All its rules" in words(page)
    assert 'href="/policy#frontal-chest"' in page
    use(app, stage, rules())
    assert 'id="frontal-chest"' in client.get("/policy").text


def test_rules_of_an_earlier_version_were_not_kept(stage: Stage, app: FastAPI, client: TestClient) -> None:
    stage.add(1, Verdict.REJECT, policy=use(app, stage, rules()))
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.text("UPDATE dispositions SET rules = NULL"))
        assert transaction.execute(sa.select(dispositions.c.rules)).scalar_one() is None
    assert "did not keep them" in client.get("/studies/1.2.3.1").text
    assert row(client.get("/policy").text, "from severity 0.25 on")[-1] == "0"


@pytest.mark.quick
def test_the_shipped_policy_is_german_on_german_pages() -> None:
    policy, german = read_policy(SHIPPED), catalogue("de")
    assert list(map(str, PLACE_NAMES)) == list(read_toml(SHIPPED)["where"])
    assert all(german.gettext(name) != name for name in PLACE_NAMES)
    assert len({rule.number for rule in policy.rules}) == len(policy.rules), "each rule has a count of its own"
    english = [cells_of_rule(rule) for rule in policy.rules]
    with spoken("de"):
        for rule, before in zip(policy.rules, english, strict=True):
            after = cells_of_rule(rule)
            for column in (0, 2, 4):  # evidence is a name of the file
                text = before.line[column]
                assert text != after.line[column] or text in ("", "SUV"), before
        assert cells_of_package(PackageRule("one")).line[0] == "Vorhersage von one"


@pytest.mark.quick
def test_numbers_of_a_row_are_those_of_its_language() -> None:
    measured = AppliedRule(
        Subject.MEASUREMENT, "hu_offset", Then.REVIEW, "CT", Outcome.FLAGS, (1234.5,), (-1.5, 18.0), "usual above"
    )  # fmt: skip
    room = AppliedRule(
        Subject.FINDING, "noise", Then.REVIEW, "chest", Outcome.WITHIN, (0.25,), (0.3,), "room", ("card",)
    )
    assert (cells_of(measured).line[1:3]) == ("1,234 HU", "usual -1.5 – 18 HU")
    assert cells_of(room).line[1:5] == (
        "strength 0.25", "from strength 0.3 on", "the card of the package, limit of the room",
        "within, else Review",
    )  # fmt: skip
    with spoken("de"):
        assert "-1,5" in cells_of(measured).line[2]
        assert "0,25" in cells_of(room).line[1]


def test_a_file_says_what_it_would_flag_instead(stage: Stage, app: FastAPI, client: TestClient) -> None:
    policy, now = use(app, stage, rules()), datetime.now(UTC)
    stage.add(1, Verdict.REJECT, at=now, policy=policy)
    stage.add(2, Verdict.REJECT, at=now - timedelta(days=31), policy=policy)
    stage.add(3, Verdict.ACCEPT, at=now, policy=policy)
    assert "What would another policy flag?" in words(client.get("/policy").text)

    def tried(text: str) -> str:
        answer = client.post(
            "/policy/trial",
            data={"csrf": csrf(client, "/policy")},
            files={"file": ("new.toml", text.encode())},
            headers=ORIGIN,
        )
        assert answer.status_code == 200, answer.text
        return answer.text

    quiet = 'version = "2"\n[[rule]]\nfinding = "all"\nthen = "ACCEPT"\nevidence = "card"\n'
    page = tried(quiet)
    assert (
        "Judged in the last 30 days: 2. Flagged by the policy in force: 1; by this one: 0, 0 newly, 1 no longer"
        in words(page)
    )
    assert row(page, "Motion blur", "REJECT") == ["Frontal chest", "Motion blur", "REJECT", "0", "1 1"]
    assert "/studies/1.2.3.1" in page
    assert "line 3: finding: there is no finding" in words(
        tried(quiet.replace('"all"\nthen = "ACCEPT"', '"motion_blurr"\nthen = "REVIEW"'))
    )
    assert "miqa-node policy convert" in words(tried('version = "1"\n[[scope]]\nname = "all"\n'))
