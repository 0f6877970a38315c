"""Decisions are taken back on the pages and over REST, and the next study is one of the list that one worked in."""

from __future__ import annotations

from fastapi.testclient import TestClient

from tests.features.worklist.page.test_review import STUDY, send
from tests.web.people import ORIGIN
from tests.web.staging import Stage, csrf


def test_reopening_needs_a_reason(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    send(client, "dismissed")
    form = {"actor": "kim", "csrf": csrf(client)}

    assert client.post(f"{STUDY}/reopen", data=form, headers=ORIGIN).status_code == 422
    for blank in ("", " ", "\u3000\n"):
        assert client.post(f"{STUDY}/reopen", data=form | {"comment": blank}, headers=ORIGIN).status_code == 422
        body = {"actor": "kim", "comment": blank}
        assert client.post("/api/v1/worklist/1.2.3.1/reopen", json=body).status_code == 422
    assert client.post(f"{STUDY}/reopen", data=form | {"comment": "blurred"}, headers=ORIGIN).status_code == 303
    assert "reopened by kim: “blurred”" in client.get(STUDY).text
