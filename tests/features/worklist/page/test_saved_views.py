"""Views of the worklist are saved under a name, for oneself or for everybody, without the text of a search."""

from __future__ import annotations

import json
from collections.abc import Callable

from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.core.domain.verdict import Verdict
from miqa_node.runtime.people.audit import records
from tests.web.people import ORIGIN, signed_in
from tests.web.staging import Stage, csrf

Connect = Callable[..., TestClient]


def test_a_reviewer_shares_a_view_that_others_open_by_name_and_cannot_remove(stage: Stage, connect: Connect) -> None:
    stage.add(1, station="ROOM1")
    stage.add(2, Verdict.REVIEW, station="ROOM2")
    mara = signed_in(stage, connect, "mara", Role.REVIEWER)
    vera = signed_in(stage, connect, "vera", Role.VIEWER)
    form = {"csrf": csrf(mara), "name": "Room 2", "query": "station=ROOM2&order=worst&search=Muster", "shared": "true"}
    assert mara.post("/worklist/views", data=form, headers=ORIGIN).status_code == 303

    page = vera.get("/").text
    assert '<a href="/?station=ROOM2&amp;order=worst" title="Shared by mara">Room 2</a>' in page
    assert "Muster" not in page
    answer = vera.get("/views/Room 2")
    assert answer.headers["location"] == "/?station=ROOM2&order=worst"
    listed = vera.get("/api/v1/worklist", params={"saved": "Room 2"}).json()["items"]
    assert [one["study_instance_uid"] for one in listed] == ["1.2.3.2"]
    assert vera.get("/api/v1/worklist", params={"saved": "Room 2", "modality": "DX"}).status_code == 422
    assert vera.get("/api/v1/worklist", params={"saved": "Room 3"}).status_code == 404

    assert "Remove view" not in vera.get("/?order=worst&station=ROOM2").text
    gone = {"csrf": csrf(vera), "name": "Room 2", "owner": "mara"}
    assert vera.post("/worklist/views/remove", data=gone, headers=ORIGIN).status_code == 403
    assert "Remove view" in mara.get("/?order=worst&station=ROOM2").text
    assert mara.post("/worklist/views/remove", data={**gone, "csrf": csrf(mara)}, headers=ORIGIN).status_code == 303
    assert vera.get("/api/v1/views").json() == []
    with stage.services.database.begin() as transaction:
        trail = records.select(transaction, AuditFilter(event=AuditEvent.SETTINGS_CHANGED.value))
    assert [(one.actor, json.loads(one.detail)["action"]) for one in trail[::-1]] == [
        ("mara", "saved"), ("mara", "removed")
    ]  # fmt: skip


def test_ones_own_views_are_seen_by_nobody_else_and_viewers_keep_none(stage: Stage, connect: Connect) -> None:
    mara = signed_in(stage, connect, "mara", Role.REVIEWER)
    kim = signed_in(stage, connect, "kim", Role.REVIEWER)
    vera = signed_in(stage, connect, "vera", Role.VIEWER)
    ada = signed_in(stage, connect, "ada", Role.ADMIN)
    body = {"filter": {"mine": True, "show": "claimed"}}
    assert vera.put("/api/v1/views/own", json=body, headers={**ORIGIN, "x-csrf-token": csrf(vera)}).status_code == 403
    assert "Save view" not in vera.get("/?station=A").text
    guarded = {**ORIGIN, "x-csrf-token": csrf(kim)}
    response = kim.put("/api/v1/views/own", json=body, headers=guarded)
    assert (response.json()["owner"], response.json()["filter"]["mine"]) == ("kim", True)
    again = kim.put("/api/v1/views/own", json={"filter": {"station": "A"}}, headers=guarded)
    assert again.json()["filter"]["mine"] is False
    assert [one["name"] for one in kim.get("/api/v1/views").json()] == ["own"]
    assert mara.get("/api/v1/views").json() == []
    assert mara.get("/views/own").status_code == 404
    other = {**ORIGIN, "x-csrf-token": csrf(mara)}
    assert mara.post("/api/v1/views/own/remove", json={"owner": "kim"}, headers=other).status_code == 403
    guarded = {**ORIGIN, "x-csrf-token": csrf(ada)}
    assert ada.post("/api/v1/views/own/remove", json={"owner": "kim"}, headers=guarded).status_code == 204
    assert kim.get("/api/v1/views").json() == []


def test_without_accounts_every_view_is_everybodys(stage: Stage, client: TestClient) -> None:
    assert client.put("/api/v1/views/night", json={"filter": {"verdict": "REJECT"}}).status_code == 200
    assert client.put("/api/v1/views/a%2Fb", json={"filter": {}}).status_code in (404, 405, 422)
    [view] = client.get("/api/v1/views").json()
    assert (view["owner"], view["is_shared"], view["filter"]["verdict"]) == ("", True, "REJECT")
    assert 'aria-current="true">night' in client.get("/?verdict=REJECT").text
    assert client.post("/api/v1/views/night/remove", json={}).status_code == 204
    assert client.post("/api/v1/views/night/remove", json={}).status_code == 404
