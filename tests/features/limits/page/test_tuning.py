"""The page over the limits of rooms: a budget, sliders, the change as a diff, and nothing before a confirmation."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.site_limit import RoomLimit
from miqa_node.core.settings.policy import read_policy
from miqa_node.features.limits.budget import difference, propose_limits
from miqa_node.features.limits.page.router import line_of
from miqa_node.runtime.store import site_limits
from tests.web.staging import Stage

OWN = {"origin": "http://localhost:8080"}
IMAGES = 45


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


def in_force(stage: Stage) -> int:
    with stage.services.database.begin() as transaction:
        return site_limits.current(transaction).number


def test_limits_are_proposed_moved_and_confirmed_on_the_page(judged: Stage, client: TestClient) -> None:
    token: dict[str, object] = {"csrf": csrf(client)}
    assert "Propose limits" in client.get("/tuning").text

    page = post(client, "/tuning/budget", token | {"percent": 8}).text
    strengths = re.findall(r'name="strength"[^>]*value="([0-9.]+)"', page)
    assert strengths
    assert "flagged a day with these limits" in page
    assert re.search(r"<pre class=\"diff\"[^>]*>\+", page), "what would be added"
    with judged.services.database.begin() as transaction:
        first = site_limits.history(transaction)[0]
    assert first.proposal is not None
    assert first.proposal.days >= 1

    everything = token | {"number": first.number, "strength": ["0"] * len(strengths)}
    nothing = token | {"number": first.number, "strength": ["1"] * len(strengths)}
    answers = [post(client, "/tuning/preview", of).text for of in (everything, nothing)]
    flagged = [int(re.findall(rf"(\d+) of {IMAGES} images", text)[0]) for text in answers]
    assert flagged[0] > flagged[1]
    assert "of 45 images" in post(client, "/tuning/keep", nothing).text
    with judged.services.database.begin() as transaction:
        second = site_limits.history(transaction)[0]
    assert second.number == first.number + 1
    assert in_force(judged) == 0, "nothing changes before a person confirms"

    tried = tuple(
        replace(one, simulated=10, found=9) if one.limit.finding == "noise" else one
        for one in first.proposal.limits[:9]
    )
    with judged.services.database.begin() as transaction:
        site_limits.amend(transaction, first.number, replace(first.proposal, limits=tried))
    assert f"miqa-node tune --simulate {second.number}" in client.get(f"/tuning?set={second.number}").text
    both = client.get(f"/tuning?set={first.number}").text
    assert "What these limits find" in both
    assert "<td>9 of 10</td>" in both
    assert "What these limits find" not in post(client, "/tuning/preview", nothing).text, (
        "of moved limits it is not known"
    )

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


def test_limits_of_ones_own_are_tried_over_rest(judged: Stage, client: TestClient) -> None:
    body = {"limits": [{"finding": "noise", "least_strength": 0.5}]}
    tried = client.post("/api/v1/limits/appraisals", json=body)
    assert tried.status_code == 200, tried.text
    assert tried.json()["number"] is None
    assert tried.json()["proposal"]["images"] == IMAGES
    assert client.get("/api/v1/limits").json()["sets"] == []
    number = client.post("/api/v1/limits/appraisals", json=body | {"keep": True}).json()["number"]
    assert client.get(f"/api/v1/limits/{number}").json()["proposal"]["limits"][0]["limit"]["least_strength"] == 0.5
    assert client.post("/api/v1/limits/appraisals", json={"limits": []}).status_code == 422


def test_too_few_images_are_said(stage: Stage, client: TestClient) -> None:
    assert "Too few images yet" in client.get("/tuning").text


def test_a_change_is_shown_as_lines() -> None:
    name = FindingName("noise")
    before = (RoomLimit(name, "ROOM1", "AP", 0.5), RoomLimit(name, "", "", 0.4))
    after = (RoomLimit(name, "ROOM1", "AP", 0.6), RoomLimit(name, "", "", 0.4))
    assert difference(before, after, line_of) == ("-Noisy, ROOM1, AP: 0.50", "+Noisy, ROOM1, AP: 0.60")
    assert difference(before, before, line_of) == ()


@pytest.mark.parametrize(
    ("days", "says", "leads"),
    [
        (0, "", ""),
        (-3, "Silent first days of CHEST: verdicts are only recorded until", "See what would be flagged"),
        (-8, "The silent first days ended", "Propose limits from these days"),
        (-22, "", ""),
    ],
)
def test_the_silent_first_days_lead_to_limits(
    stage: Stage, app: FastAPI, client: TestClient, days: int, says: str, leads: str
) -> None:
    """A silence of seven days, seen so many days after the first verdict; without one for 0."""
    for number in range(IMAGES):
        stage.add(number, at=datetime.now(UTC) + timedelta(days=days))
    with stage.services.database.begin() as transaction:
        site_limits.begin_part(transaction, "CHEST", datetime.now(UTC) + timedelta(days=days))
    settings = stage.services.settings
    policy = settings.policy.model_copy(update={"silent_days": 7 if days else 0})
    app.state.services = replace(stage.services, settings=settings.model_copy(update={"policy": policy}))

    for path in ("/", "/tuning"):
        notices = re.findall(r'<p class="notice"[^>]*>(.*?)</p>', client.get(path).text)
        assert len(notices) == bool(says)
        assert all(notice.startswith(says) for notice in notices)
    assert client.get("/").text.count(f'<a href="/tuning">{leads}</a>') == bool(leads)
    with stage.services.database.begin() as transaction:
        policy_file = read_policy(settings.policy_file)
        made = propose_limits(transaction, policy_file, 0.08, datetime.now(UTC))
        site_limits.confirm(transaction, made.number, "mara", "", datetime.now(UTC))
    assert 'class="notice"' not in client.get("/").text, "somebody has confirmed limits"


def test_both_packages_that_judge_say_what_they_find(stage: Stage, client: TestClient) -> None:
    page = client.get("/tuning").text
    captions = re.findall(r"<caption>(.+?)</caption>", page)
    assert [one.rsplit("-", 1)[0] for one in captions] == ["quality", "any-radiograph"]
