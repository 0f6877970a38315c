"""Tokens over REST: administrators make, list, rotate and revoke them, and programs rotate their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.runtime.people import accounts, tokens
from miqa_node.runtime.people.audit import records
from tests.web.people import add_account, add_token
from tests.web.staging import Stage

Connect = Callable[..., TestClient]


@pytest.fixture
def api(stage: Stage, connect: Connect) -> Callable[..., Any]:
    """Calls with a token of an administrator, unless another is given."""
    add_account(stage, "ada", Role.ADMIN)
    add_account(stage, "ris", Role.SERVICE)
    admin = add_token(stage, "ada", Permission.ADMIN)
    client = connect(client="10.0.0.9")

    def call(path: str, body: dict[str, Any] | None = None, token: str = "") -> Any:
        headers = {"authorization": f"Bearer {token}"} if token else admin
        if body is None:
            return client.get(path, headers=headers)
        return client.post(path, json=body, headers=headers)

    return call


def test_a_token_lives_by_rest(stage: Stage, api: Callable[..., Any]) -> None:
    made = api("/api/v1/tokens", {"account": "ris", "label": "RIS", "scopes": ["read"], "days": 30}).json()
    value, number = made["value"], made["token"]["token_id"]
    assert api("/api/v1/worklist", token=value).status_code == 200

    rotated = api(f"/api/v1/tokens/{number}/rotate", {"overlap_hours": 0, "days": 7}).json()
    assert api("/api/v1/worklist", token=value).status_code == 401
    assert api("/api/v1/worklist", token=rotated["value"]).status_code == 200
    assert lifetime_days(rotated) == 7

    listed = api("/api/v1/tokens")
    assert value not in listed.text
    assert rotated["value"] not in listed.text
    [_admin, _old, new] = listed.json()
    assert new["used_at"]
    assert (new["name"], new["label"], new["scopes"]) == ("ris", "RIS", ["read"])

    assert api(f"/api/v1/tokens/{new['token_id']}/revoke", {}).json()["revoked_at"]
    assert api("/api/v1/worklist", token=rotated["value"]).status_code == 401
    with stage.services.database.begin() as transaction:
        did = [(event.actor, event.action.value) for event in accounts.events(transaction, limit=9)]
        trail = records.select(transaction, AuditFilter(event=AuditEvent.ACCOUNT_CHANGED))
    assert did == [("ada", "token revoked"), ("ada", "token rotated"), ("ada", "token added")]
    assert [one.actor for one in trail] == ["ada"] * 3
    assert not any(value in one.detail for one in trail)


def test_a_program_rotates_its_own_token_and_no_other(stage: Stage, api: Callable[..., Any]) -> None:
    made = api("/api/v1/tokens", {"account": "ris", "scopes": ["read"], "days": 30}).json()
    own = api("/api/v1/tokens/own/rotate", {"overlap_hours": 1}, token=made["value"]).json()

    assert own["token"]["scopes"] == ["read"]
    assert lifetime_days(own) == 30
    assert api("/api/v1/worklist", token=made["value"]).status_code == 200, "during the overlap"
    for path in ("", f"/{own['token']['token_id']}/rotate", f"/{own['token']['token_id']}/revoke"):
        assert (
            api(f"/api/v1/tokens{path}", {"account": "ris"} if not path else {}, token=own["value"]).status_code == 403
        )
    with stage.services.database.begin() as transaction:
        event = accounts.events(transaction, limit=1)[0]
    assert (event.actor, event.action.value) == ("ris", "token rotated")


def test_what_cannot_be(api: Callable[..., Any]) -> None:
    assert api("/api/v1/tokens", {"account": "nobody"}).status_code == 404
    assert api("/api/v1/tokens", {"account": "ris", "scopes": ["admin"]}).status_code == 403
    assert api("/api/v1/tokens", {"account": "ris", "scopes": []}).status_code == 422
    assert api("/api/v1/tokens/999/rotate", {}).status_code == 404
    made = api("/api/v1/tokens", {"account": "ris"}).json()["token"]["token_id"]
    assert api(f"/api/v1/tokens/{made}/revoke", {}).status_code == 200
    assert api(f"/api/v1/tokens/{made}/rotate", {}).status_code == 404


def lifetime_days(made: dict[str, Any]) -> int:
    token = made["token"]
    made_for = datetime.fromisoformat(token["expires_at"]) - datetime.fromisoformat(token["created_at"])
    return made_for.days


def test_a_new_token_ends_after_90_days_but_for_displays_and_an_alarm_says_so_before(
    stage: Stage, api: Callable[..., Any]
) -> None:
    made = api("/api/v1/tokens", {"account": "ris", "label": "RIS"}).json()
    wall = api("/api/v1/tokens", {"account": "ris", "label": "wall", "scopes": ["display"]}).json()
    assert lifetime_days(made) == 90
    assert wall["token"]["expires_at"] is None

    created = datetime.fromisoformat(made["token"]["created_at"])
    with stage.services.database.begin() as transaction:
        subjects = [
            [alarm.subject for alarm in tokens.alarms(transaction, created + timedelta(days=days))] for days in (75, 77)
        ]
        later = created + timedelta(days=77)
        accounts.rotate_token(transaction, made["token"]["token_id"], timedelta(days=1), None, "ada", later)
        renewed = list(tokens.alarms(transaction, later + timedelta(hours=1)))
    number, day = made["token"]["token_id"], f"{created + timedelta(days=90):%Y-%m-%d}"
    assert subjects == [[], [f"Tokens end soon, the first on {day}: {number} (ris)"]]
    assert not renewed, "a newer one is in its place"


def test_an_unknown_parameter_is_told_from_known_ones(api: Callable[..., Any]) -> None:
    wrong = api("/api/v1/worklist?q=chest")
    assert wrong.status_code == 422
    assert "unknown parameter q; known are modality, " in wrong.json()["detail"]
    assert api("/api/v1/tokens?q=1").json()["detail"] == "query.q: unknown parameter q; known are none."
