"""Colleagues share the list: studies are assigned, commented on without a decision, and read as CSV."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Role
from miqa_node.core.domain.audit import AuditEvent, AuditFilter
from miqa_node.core.domain.worklist import Resolution, WorklistState
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.features.retention.rows import erasure
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.people.audit import records
from tests.stages.report.test_text import COMMENTS
from tests.web.people import ORIGIN, add_account, signed_in
from tests.web.staging import NOW, Stage, csrf

Connect = Callable[..., TestClient]


def test_a_study_is_assigned_to_a_colleague_who_finds_it_under_mine(stage: Stage, connect: Connect) -> None:
    for number in (1, 2):
        stage.add(number)
    kim = signed_in(stage, connect, "kim", Role.REVIEWER)
    mara = signed_in(stage, connect, "mara", Role.REVIEWER)
    add_account(stage, "vera", Role.VIEWER)
    page = mara.get("/studies/1.2.3.1").text
    assert "<option>kim</option>" in page
    assert "<option>vera</option>" not in page

    form = {"csrf": csrf(mara), "to": "kim"}
    assert mara.post("/studies/1.2.3.1/assign", data=form, headers=ORIGIN).status_code == 303
    assert "1.2.3.1" in kim.get("/?mine=true").text
    assert "1.2.3.2" not in kim.get("/?mine=true").text
    assert "No study matches" in mara.get("/?mine=true").text
    assert "assigned by mara: “to kim”" in mara.get("/studies/1.2.3.1").text

    refused = mara.post("/studies/1.2.3.2/assign", data={**form, "to": "vera"}, headers=ORIGIN)
    assert refused.status_code == 409
    assert "vera has no account that may decide" in refused.text
    [item] = kim.get("/api/v1/worklist", params={"mine": True}).json()["items"]
    assert (item["study_instance_uid"], item["claimed_by"]) == ("1.2.3.1", "kim")


def test_several_studies_are_assigned_at_once(stage: Stage, connect: Connect) -> None:
    for number in (1, 2, 3):
        stage.add(number)
    add_account(stage, "kim", Role.REVIEWER)
    mara = signed_in(stage, connect, "mara", Role.REVIEWER)
    form = {"csrf": csrf(mara), "action": "assign", "study": ["1.2.3.1", "1.2.3.3"]}
    assert mara.post("/worklist/bulk", data=form, headers=ORIGIN).status_code == 422
    answer = mara.post("/worklist/bulk", data={**form, "to": "kim"}, headers=ORIGIN)
    assert "2 studies: assigned" in answer.text
    with stage.services.database.begin() as transaction:
        assert {worklist.show(transaction, f"1.2.3.{n}").claimed_by for n in (1, 3)} == {"kim"}
        assert worklist.show(transaction, "1.2.3.2").state is WorklistState.OPEN


def test_without_accounts_any_name_can_be_assigned_and_mine_names_nobody(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    body = {"actor": "mara", "to": "jan"}
    assert client.post("/api/v1/worklist/1.2.3.1/assign", json=body).json()["claimed_by"] == "jan"
    assert client.post("/api/v1/worklist/1.2.3.1/assign", json={**body, "to": " "}).status_code == 422
    assert client.get("/api/v1/worklist", params={"mine": True}).status_code == 422
    assert client.get("/api/v1/worklist", params={"claimed_by": "jan"}).json()["total"] == 1


def test_comments_stay_beside_the_decision_in_order_and_are_audited(stage: Stage, client: TestClient) -> None:
    study, _ = stage.add(1)
    address = f"/api/v1/worklist/{study}"
    first = client.post(f"{address}/comments", json={"actor": "mara", "text": "Grid was upside down?"})
    assert first.status_code == 200
    assert first.json()["state"] == "OPEN"
    client.post(f"{address}/resolve", json={"actor": "kim", "resolution": "dismissed"})
    page = client.get(f"/studies/{study}").text
    form = {"csrf": csrf(client), "actor": "kim", "text": "It was not; see the other room."}
    assert 'name="text"' in page
    assert client.post(f"/studies/{study}/comments", data=form, headers=ORIGIN).status_code == 303
    assert client.post(f"{address}/comments", json={"actor": "kim", "text": " \n "}).status_code == 422

    item = client.get(address).json()
    assert [(one["actor"], one["text"]) for one in item["comments"]] == [
        ("mara", "Grid was upside down?"), ("kim", "It was not; see the other room.")
    ]  # fmt: skip
    assert item["resolution"] == "dismissed"
    events = client.get(f"{address}/events").json()
    assert [one["action"] for one in events] == ["flagged", "commented", "dismissed", "commented"]
    page = client.get(f"/studies/{study}").text
    assert page.index("Grid was upside down?") < page.index("It was not")
    with stage.services.database.begin() as transaction:
        trail = records.select(transaction, AuditFilter(event=AuditEvent.DECIDED.value, study=study))
    assert [json.loads(one.detail)["action"] for one in trail[::-1]] == ["commented", "dismissed", "commented"]
    assert "Grid" not in "".join(one.detail for one in trail)


def test_comments_need_a_flagged_study_and_go_with_the_patient(stage: Stage) -> None:
    study, _ = stage.add(1)
    with stage.services.database.begin() as transaction:
        with pytest.raises(NotFoundError):
            worklist.comment(transaction, "1.9", "hello", "mara", NOW)
        worklist.comment(transaction, study, "Mrs Muster moved", "mara", NOW)
        erasure.erase(transaction, "PID1", "asked to", "mara", NOW)
        assert [one.text for one in worklist.show(transaction, study).comments] == [""]


def test_the_list_is_read_as_csv_with_decisions_and_comments(stage: Stage, client: TestClient) -> None:
    for number in range(1, 6):
        stage.add(number, station="=ROOM" if number == 1 else "ROOM2")
    with stage.services.database.begin() as transaction:
        worklist.comment(transaction, "1.2.3.1", "look, a grid", "mara", NOW)
        worklist.resolve(transaction, "1.2.3.1", Resolution.DISMISSED, "kim", "fine", NOW)
    assert 'href="/worklist.csv?show=all"' in client.get("/", params={"show": "all"}).text
    for address in ("/worklist.csv?show=all", "/api/v1/worklist.csv"):
        answer = client.get(address)
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["accession_number"] for row in rows] == [f"ACC{n}" for n in range(5, 0, -1)]
        last = rows[-1]
        assert (last["state"], last["resolution"], last["resolved_by"]) == ("RESOLVED", "dismissed", "kim")
        assert last["comments"] == f"{NOW.isoformat()} mara: look, a grid"
        assert last["stations"] == "'=ROOM"
    assert len(client.get("/worklist.csv", params={"station": "ROOM2"}).text.splitlines()) == 5
    with stage.services.database.begin() as transaction:
        assert records.select(transaction, AuditFilter(event=AuditEvent.EXPORTED.value))


def test_a_resolved_study_is_not_assigned(stage: Stage) -> None:
    stage.add(1)
    with stage.services.database.begin() as transaction:
        worklist.resolve(transaction, "1.2.3.1", Resolution.DISMISSED, "kim", "", NOW)
        with pytest.raises(ConflictError):
            worklist.assign(transaction, "1.2.3.1", "jan", "kim", NOW)


def test_who_decides_is_not_said_to_be_whoever_has_the_study(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    with stage.services.database.begin() as transaction:
        worklist.assign(transaction, "1.2.3.1", "bert", "anna", NOW)
    [own] = re.findall('<input name="actor" data-remember[^>]*placeholder[^>]*>', client.get("/studies/1.2.3.1").text)
    assert "value" not in own, "without accounts each types a name of his own"


@pytest.mark.more
@pytest.mark.parametrize("language", sorted(COMMENTS))
def test_comments_in_every_script_are_read_on_the_page_in_csv_and_by_programs(
    stage: Stage, client: TestClient, language: str
) -> None:
    """One beside the decision and one with it, typed on the study's page."""
    study, _ = stage.add(1)
    text = COMMENTS[language]
    for action, form in {
        "comments": {"text": text},
        "resolve": {"resolution": "dismissed", "comment": f"{text} 2"},
    }.items():
        form |= {"actor": "mara", "csrf": csrf(client)}
        assert client.post(f"/studies/{study}/{action}", data=form, headers=ORIGIN).status_code == 303
    page = html.unescape(client.get(f"/studies/{study}").text)
    assert f"“{text}”" in page
    assert f"{text} 2" in page
    (row,) = csv.DictReader(io.StringIO(client.get("/worklist.csv?show=all").content.decode("utf-8")))
    assert row["comments"].endswith(f" mara: {text}")
    assert row["comment"] == f"{text} 2"
    item = client.get(f"/api/v1/worklist/{study}").json()
    assert (item["comments"][0]["text"], item["comment"]) == (text, f"{text} 2")
