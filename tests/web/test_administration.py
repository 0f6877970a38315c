"""What administrators do on pages and by command they do over REST: accounts, audit trail, retention, models."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Permission, Role
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.core.domain.model_choice import Slot
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.site_records import activations
from tests.web.people import add_account, add_token
from tests.web.staging import Stage

Connect = Callable[..., TestClient]


@pytest.fixture
def api(stage: Stage, connect: Connect) -> Callable[..., Any]:
    """Calls with a token of an administrator."""
    add_account(stage, "ada", Role.ADMIN)
    admin = add_token(stage, "ada", Permission.ADMIN, Permission.READ)
    client = connect(client="10.0.0.9")

    def call(path: str, body: dict[str, Any] | None = None) -> Any:
        if body is None:
            return client.get(path, headers=admin)
        return client.post(path, json=body, headers=admin)

    return call


def test_an_account_is_made_invited_promoted_and_shut_out(stage: Stage, api: Callable[..., Any]) -> None:
    made = api("/api/v1/accounts", {"name": "Mara", "role": "reviewer"})
    assert made.json()["name"] == "mara"
    assert made.json()["signs_in"] == "has not chosen a password yet"
    assert api("/api/v1/accounts", {"name": "mara"}).status_code == 409
    link = api("/api/v1/accounts/mara/link", {}).json()["link"]
    assert "/welcome/" in link
    assert api("/api/v1/accounts/mara/role", {"role": "admin"}).json()["role"] == "admin"
    assert api("/api/v1/accounts/mara/sign-out", {}).status_code == 200
    assert api("/api/v1/accounts/mara/disable", {}).json()["disabled"] is True
    assert api("/api/v1/accounts/mara/enable", {}).json()["disabled"] is False
    assert api("/api/v1/accounts/nobody/disable", {}).status_code == 404
    assert api("/api/v1/accounts/mara/role", {"role": "viewer"}).status_code == 200
    assert api("/api/v1/accounts/ada/disable", {}).status_code == 409, "the last administrator"
    assert {one["name"]: one["role"] for one in api("/api/v1/accounts").json()} == {"ada": "admin", "mara": "viewer"}
    assert "password" not in api("/api/v1/accounts").text.replace("has not chosen a password", "").replace(
        "with a password", ""
    )


def test_the_first_account_is_an_administrators(stage: Stage, client: TestClient) -> None:
    assert client.post("/api/v1/accounts", json={"name": "mara"}).status_code == 409
    assert client.post("/api/v1/accounts", json={"name": "ada", "role": "admin"}).status_code == 200


def test_the_audit_trail_is_read_and_that_is_recorded(stage: Stage, api: Callable[..., Any]) -> None:
    study, _ = stage.add(1)
    api("/api/v1/worklist")
    rows = api("/api/v1/audit?event=list+seen").json()
    assert [(one["actor"], one["detail"]["page"]) for one in rows] == [("ada", "/api/v1/worklist")]
    assert api(f"/api/v1/audit?study={study}&limit=1").status_code == 200
    assert api("/api/v1/audit?since=2026-01-01").status_code == 422
    with stage.services.database.begin() as transaction:
        assert records.select(transaction, AuditFilter(event=AuditEvent.AUDIT_SEEN.value))


def test_retention_and_model_choices_are_read(stage: Stage, api: Callable[..., Any]) -> None:
    stage.add(1)
    with stage.services.database.begin() as transaction:
        activations.choose(transaction, Slot.SHADOW, "quality-9", "ada", "try", datetime.now(UTC))
    assert {one["group"]: one["images"] for one in api("/api/v1/retention").json()}["open"] == 1
    assert [(one["slot"], one["package"]) for one in api("/api/v1/models/history").json()] == [("shadow", "quality-9")]


def test_others_read_none_of_it(stage: Stage, connect: Connect) -> None:
    add_account(stage, "ada", Role.ADMIN)
    add_account(stage, "vera", Role.VIEWER)
    token = add_token(stage, "vera", Permission.READ)
    client = connect(client="10.0.0.9")
    for path in ("/api/v1/accounts", "/api/v1/audit"):
        assert client.get(path, headers=token).status_code == 403
