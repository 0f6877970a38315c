"""The page over the limits of rooms: sliders, the change as a diff, and nothing before a confirmation."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.site_limit import RoomLimit
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings.policy import read_policy
from miqa_node.features.limits import own_limits
from miqa_node.features.limits.own_limits import difference
from miqa_node.features.limits.page.router import line_of
from miqa_node.runtime.site_records import site_limits
from tests.web.staging import Stage

OWN = {"origin": "http://localhost:8080"}
IMAGES = 45
PART = re.compile(r'<option value="(.*?)">')


@pytest.fixture
def judged(stage: Stage) -> Stage:
    for number in range(IMAGES):
        stage.add(number, Verdict.REVIEW if number < 9 else Verdict.ACCEPT, FindingName("noise"))
    return stage


def csrf(client: TestClient) -> str:
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/account").text)
    assert token is not None
    return token[1]


def post(client: TestClient, address: str, form: dict[str, object]) -> Response:
    return client.post(address, data=form, headers=OWN, follow_redirects=True)


def test_limits_of_ones_own_are_tried_over_rest(judged: Stage, client: TestClient) -> None:
    body = {"limits": [{"finding": "noise", "least_strength": 0.5}]}
    tried = client.post("/api/v1/limits/appraisals", json=body)
    assert tried.status_code == 200, tried.text
    assert tried.json()["number"] is None
    assert tried.json()["proposal"]["images"] == IMAGES
    assert all(one["simulated"] is None for one in tried.json()["proposal"]["limits"])
    described = client.get("/api/v1/openapi.json").json()["paths"]["/api/v1/limits/appraisals"]["post"]["description"]
    assert "Nothing is simulated here, because the process that answers loads no packages" in described
    assert client.get("/api/v1/limits").json()["sets"] == []
    number = client.post("/api/v1/limits/appraisals", json=body | {"keep": True}).json()["number"]
    assert client.get(f"/api/v1/limits/{number}").json()["proposal"]["limits"][0]["limit"]["least_strength"] == 0.5
    assert client.post("/api/v1/limits/appraisals", json={"limits": []}).status_code == 422


def test_a_change_is_shown_as_lines() -> None:
    name = FindingName("noise")
    before = (RoomLimit(name, "ROOM1", "AP", 0.5), RoomLimit(name, "", "", 0.4))
    after = (RoomLimit(name, "ROOM1", "AP", 0.6), RoomLimit(name, "", "", 0.4))
    assert difference(before, after, line_of) == ("-Noisy, ROOM1, AP: 0.50", "+Noisy, ROOM1, AP: 0.60")
    assert difference(before, before, line_of) == ()


def test_the_silent_days_of_one_body_part_end_on_the_page(stage: Stage, app: FastAPI, client: TestClient) -> None:
    settings = stage.services.settings
    policy = settings.policy.model_copy(update={"silent_days": 7})
    app.state.services = replace(stage.services, settings=settings.model_copy(update={"policy": policy}))
    with stage.services.database.begin() as transaction:
        for part, days in (("CHEST", 90), ("KNEE", 1), ("", 2)):
            site_limits.begin_part(transaction, part, datetime.now(UTC) - timedelta(days=days))
    page = client.get("/tuning").text
    assert re.findall(PART, page) == ["", "KNEE"], "the earliest end comes first"
    assert "Unknown body parts" in page
    post(client, "/tuning/silence", {"csrf": csrf(client), "body_part": "KNEE", "actor": "mara"})
    assert re.findall(PART, client.get("/tuning").text) == [""]
    assert client.post("/api/v1/limits/silence/end", json={"body_part": "HANDD", "actor": "mara"}).status_code == 404
    assert client.post("/api/v1/limits/silence/end", json={"body_part": "", "actor": "mara"}).json()["actor"] == "mara"
    again = {"csrf": csrf(client), "body_part": "", "actor": "mara"}
    for language, text in (
        ("en", "The silent days of images without a known body part were ended already."),
        ("de", "Die stillen Tage von Bildern ohne bekannte Körperregion wurden schon beendet."),
    ):
        client.cookies.set("miqa_language", language)
        assert text in client.post("/tuning/silence", data=again, headers=OWN | {"accept": "text/html"}).text
    client.cookies.delete("miqa_language")
    of_parts = {one["start"]["body_part"]: one["silent_until"] for one in client.get("/api/v1/limits/silence").json()}
    assert of_parts == {"": None, "CHEST": None, "KNEE": None}
    assert 'name="body_part"' not in client.get("/tuning").text


def set_of(stage: Stage) -> int:
    """The number of a set of limits of one's own."""
    policy = read_policy(stage.services.settings.policy_file)
    limits = [RoomLimit(FindingName(name), "", "", 0.5) for name in ("noise", "unsharp")]
    with stage.services.database.begin() as transaction:
        proposal = own_limits.appraise(own_limits.newest_images(transaction, policy), limits, policy)
        return site_limits.propose(transaction, proposal, datetime.now(UTC)).number


def in_force(stage: Stage) -> int:
    with stage.services.database.begin() as transaction:
        return site_limits.current(transaction).number


@pytest.mark.more
def test_limits_of_ones_own_are_shown_and_confirmed_on_the_page(judged: Stage, client: TestClient) -> None:
    token: dict[str, object] = {"csrf": csrf(client)}
    set_of(judged)
    page = client.get("/tuning", params={"set": 1}).text
    assert "flagged a day with these limits" in page
    assert re.search(r"<pre class=\"diff\"[^>]*>\+", page), "what would be added"
    assert "Not simulated: <code>miqa-node tune --simulate 1" in page
    with judged.services.database.begin() as transaction:
        second = site_limits.history(transaction)[0]
        assert second.proposal is not None
        assert second.proposal.days >= 1
        tried = [
            replace(one, simulated=10, found=9) if one.limit.finding == "noise" else one
            for one in second.proposal.limits
        ]
        site_limits.amend(transaction, 1, replace(second.proposal, limits=tuple(tried)))
    page = client.get("/tuning?set=1").text
    assert "What these limits find" in page
    assert "<td>9 of 10</td>" in page

    named = token | {"number": second.number, "actor": "mara", "comment": "quiet start"}
    page = post(client, "/tuning/confirm", named).text
    assert "quiet start" in page
    assert in_force(judged) == second.number
    assert post(client, "/tuning/confirm", named).status_code == 409

    image = second.proposal.limits[0].nearest if second.proposal else ()
    if image:
        assert (
            client.get(f"/tuning/images/{image[0].digest}", follow_redirects=False)
            .headers["location"]
            .startswith("/studies/")
        )
    post(client, "/tuning/withdraw", token | {"actor": "mara"})
    with judged.services.database.begin() as transaction:
        assert site_limits.current(transaction).limits == ()


@pytest.mark.more
@pytest.mark.parametrize(("days", "is_silent"), [(-3, True), (-8, False)])
def test_silent_first_days_are_told_until_they_end(
    stage: Stage, app: FastAPI, client: TestClient, days: int, is_silent: bool
) -> None:
    """A silence of seven days, seen so many days after the first verdict."""
    for number in range(IMAGES):
        stage.add(number, Verdict.ACCEPT, at=datetime.now(UTC) + timedelta(days=days))
    with stage.services.database.begin() as transaction:
        site_limits.begin_part(transaction, "CHEST", datetime.now(UTC) + timedelta(days=days))
    settings = stage.services.settings
    policy = settings.policy.model_copy(update={"silent_days": 7})
    app.state.services = replace(stage.services, settings=settings.model_copy(update={"policy": policy}))

    worklist = client.get("/").text
    assert worklist.count("Silent first days of CHEST: verdicts are only recorded until") == is_silent
    assert worklist.count('class="notice"') == is_silent, "nobody is reminded of limits: rooms learn by themselves"
    assert client.get("/tuning").text.count("Silent first days: verdicts on these body parts") == is_silent
    number = set_of(stage)
    with stage.services.database.begin() as transaction:
        site_limits.confirm(transaction, number, "mara", "", datetime.now(UTC), second_look=True)
    assert 'class="notice"' not in client.get("/").text, "somebody has confirmed limits"
