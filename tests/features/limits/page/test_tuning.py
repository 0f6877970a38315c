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
from miqa_node.features.limits.page.router import line_of
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
