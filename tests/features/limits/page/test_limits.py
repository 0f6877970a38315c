"""Limits of rooms over REST: reviewers try their own, administrators confirm."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from tests.web.people import add_account, add_token
from tests.web.staging import Stage

LIMITS = "/api/v1/limits"
OWN: dict[str, object] = {"limits": [{"finding": "noise", "least_strength": 0.9}], "keep": True}


@pytest.fixture
def judged(stage: Stage) -> Stage:
    for number in range(45):
        stage.add(number, Verdict.REVIEW if number < 9 else Verdict.ACCEPT, FindingName("noise"))
    return stage


def test_a_proposal_is_shown_confirmed_and_withdrawn(judged: Stage, client: TestClient) -> None:
    made = client.post(f"{LIMITS}/appraisals", json=OWN)
    assert made.status_code == 200
    proposal = made.json()["proposal"]
    assert (proposal["images"], proposal["before"], proposal["budget"]) == (45, 9, 0.0)
    assert client.get(LIMITS).json()["in_force"]["number"] == 0
    number = made.json()["number"]
    assert client.get(f"{LIMITS}/{number}").json()["proposal"] == proposal

    body = {"actor": "mara", "comment": "week 1"}
    confirmed = client.post(f"{LIMITS}/{number}/confirm", json=body)
    assert (confirmed.status_code, confirmed.json()["actor"]) == (200, "mara")
    assert client.get(LIMITS).json()["in_force"]["number"] == number
    assert client.post(f"{LIMITS}/{number}/confirm", json=body).status_code == 409
    assert client.post(f"{LIMITS}/withdraw", json={"actor": "mara"}).json()["proposal"] is None
    assert client.get(LIMITS).json()["in_force"]["limits"] == []


def test_only_administrators_confirm(judged: Stage, connect: Callable[..., TestClient]) -> None:
    add_account(judged, "chief", Role.ADMIN)
    add_account(judged, "kim", Role.REVIEWER)
    far = connect(client="10.0.0.7")
    reviewer = add_token(judged, "kim", Permission.READ, Permission.REVIEW)
    chief = add_token(judged, "chief", *Permission)
    made = far.post(f"{LIMITS}/appraisals", json=OWN, headers=reviewer)
    number = made.json()["number"]
    assert far.post(f"{LIMITS}/{number}/confirm", json={}, headers=reviewer).status_code == 403
    assert far.post(f"{LIMITS}/withdraw", json={}, headers=reviewer).status_code == 403
    assert far.post(f"{LIMITS}/{number}/confirm", json={"second_look": True}, headers=chief).json()["actor"] == "chief"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("appraisals", {"limits": []}, 422), ("appraisals", OWN, 409), ("7/confirm", {"actor": "x"}, 404)],
)
def test_what_cannot_be_done_is_refused(
    stage: Stage, client: TestClient, path: str, body: dict[str, object], status: int
) -> None:
    assert client.post(f"{LIMITS}/{path}", json=body).status_code == status


def test_who_asks_for_a_budget_is_told_that_rooms_learn(judged: Stage, client: TestClient) -> None:
    refused = client.post(f"{LIMITS}/proposals", json={"budget": 0.08})
    assert refused.status_code == 409
    assert "policy.room_budget" in refused.json()["detail"]
    assert "/api/v1/limits/rooms/learn" in refused.json()["detail"]
    assert client.get(LIMITS).json()["sets"] == []
