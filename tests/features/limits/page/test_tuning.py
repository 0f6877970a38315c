"""The page over the limits of rooms: a budget, sliders, the change as a diff, and nothing before a confirmation."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.site_limit import RoomLimit
from miqa_node.features.limits.budget import difference
from miqa_node.features.limits.budget_image import BudgetImage
from miqa_node.features.limits.page.router import line_of
from tests.runtime.store.making import digest
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


def test_limits_of_ones_own_are_tried_over_rest(judged: Stage, client: TestClient) -> None:
    body = {"limits": [{"finding": "noise", "least_strength": 0.5}]}
    tried = client.post("/api/v1/limits/appraisals", json=body)
    assert tried.status_code == 200, tried.text
    assert tried.json()["number"] is None
    assert tried.json()["proposal"]["images"] == IMAGES
    assert all(one["simulated"] is None for one in tried.json()["proposal"]["limits"])
    described = client.get("/api/v1/openapi.json").json()["paths"]["/api/v1/limits/proposals"]["post"]["description"]
    assert "is not tried here, because the process that answers loads no packages" in described
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


def test_both_packages_that_judge_say_what_they_find(stage: Stage, client: TestClient) -> None:
    page = client.get("/tuning").text
    captions = re.findall(r"<caption>(.+?)</caption>", page)
    assert [one.rsplit("-", 1)[0] for one in captions] == ["quality", "any-radiograph"]


def test_a_budget_that_cannot_be_kept_is_answered_with_the_rules_that_eat_it(
    stage: Stage, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    eaten = [
        BudgetImage(
            digest(f"{n}"), f"1.2.{n}", "R", "PA", frozenset({FindingName("noise")}), {}, n < 9, n < 9,
            always_by=frozenset({"deviation_index"} if n < 9 else ()),
        )
        for n in range(IMAGES)
    ]  # fmt: skip
    monkeypatch.setattr("miqa_node.features.limits.budget.newest_images", lambda *_, **__: eaten)
    refused = post(client, "/tuning/budget", {"csrf": csrf(client), "percent": 8})
    assert refused.status_code == 409
    assert "This budget cannot be kept" in refused.text
    assert "<code>deviation_index</code>" in refused.text
    assert "Put in force" not in refused.text
    assert client.get("/api/v1/limits").json()["sets"] == []
    answer = client.post("/api/v1/limits/proposals", json={"budget": 0.08})
    assert answer.status_code == 409
    assert "deviation_index 9, of which 9 by it alone" in answer.text


def test_of_too_few_images_the_page_says_what_programs_get(
    stage: Stage, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [BudgetImage(digest(f"{n}"), f"1.2.{n}", "R", "PA", frozenset(), {}, True, True) for n in range(5)]
    monkeypatch.setattr("miqa_node.features.limits.budget.newest_images", lambda *_, **__: few)
    refused = post(client, "/tuning/budget", {"csrf": csrf(client), "percent": 8})
    answer = client.post("/api/v1/limits/proposals", json={"budget": 0.08})
    assert (refused.status_code, answer.status_code) == (409, 409)
    for text in (refused.text, answer.text):
        assert "Only 5 images that the models in force judged count for limits" in text
